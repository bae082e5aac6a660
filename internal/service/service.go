// Package service runs the long-lived parts of a process as one group and closes
// what they stand on in reverse order.
//
// A part is a function that runs until its context ends. If one fails, the
// others are cancelled and the first error is the group's. Things that must be
// closed after the parts have ended (stores, servers, clusters) are pushed as
// closers while the process is being put together; they run last-in first-out,
// also when putting it together fails half way.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// stopTimeout bounds a clean stop. Correctness does not depend on it: after a
// kill the next start recovers.
const stopTimeout = 15 * time.Second

// Group collects parts and closers. It belongs to the goroutine that assembles
// the process; the zero value is ready.
type Group struct {
	parts   []part
	closers []closer
}

type part struct {
	name string
	run  func(context.Context) error
}

type closer struct {
	name  string
	close func() error
}

// Add adds a part.
func (g *Group) Add(name string, run func(context.Context) error) {
	g.parts = append(g.parts, part{name, run})
}

// Defer pushes a closer.
func (g *Group) Defer(name string, close func() error) {
	g.closers = append(g.closers, closer{name, close})
}

// Run runs all parts until ctx ends or one of them fails. A part that returns
// nil before that simply has nothing more to do. Run does not close anything.
func (g *Group) Run(ctx context.Context) error {
	eg, ctx := errgroup.WithContext(ctx)
	for _, p := range g.parts {
		eg.Go(func() error {
			if err := p.run(ctx); err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	return eg.Wait()
}

// Close runs the closers in reverse order and joins their errors.
func (g *Group) Close() error {
	var errs []error
	for _, c := range slices.Backward(g.closers) {
		if err := c.close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", c.name, err))
		}
	}
	g.closers = nil
	return errors.Join(errs...)
}

// SignalContext returns a context that SIGINT or SIGTERM cancels. A second
// signal, or a clean stop that takes longer than 15 seconds, ends the process
// at once through exit.
func SignalContext(parent context.Context, log *slog.Logger, exit func(code int)) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			log.Info("stopping", "signal", s.String())
			cancel()
		case <-ctx.Done():
			signal.Stop(signals)
			return
		}
		select {
		case s := <-signals:
			exit(128 + int(s.(syscall.Signal)))
		case <-time.After(stopTimeout):
			log.Error("clean stop took too long", "limit", stopTimeout.String())
			exit(1)
		}
	}()
	return ctx, cancel
}
