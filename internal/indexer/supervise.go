package indexer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// supervise runs the server until Stop, and starts it again when it dies.
// started gets the outcome of the first start.
//
// It holds its thread: the kernel signals the child when the thread that started
// it ends, not when the process does.
func (c *Cluster) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.stopped)
	first := true
	for attempt := 1; ; {
		server, err := c.launch()
		if err == nil {
			err = c.answer(server)
		}
		switch {
		case err == nil:
			attempt = 1
			if first {
				started <- nil
				first = false
			} else {
				c.config.Log.Info("private postgres is back")
			}
			if c.await(server) {
				return
			}
			c.config.Log.Warn("private postgres died and is started again", "err", c.lastWords())
		case errors.Is(err, errStopping):
			if first {
				started <- err
			}
			return
		case first && attempt == startAttempts:
			started <- fmt.Errorf("start private postgres: %w: %s", err, c.lastWords())
			return
		}
		attempt++
		select {
		case <-c.stop:
			if first {
				started <- errStopping
			}
			return
		case <-time.After(restartBackoff):
		}
	}
}

var (
	errStopping = errors.New("private postgres is stopped")
	errExited   = errors.New("before it answered")
)

// server is a child process.
type server struct {
	exited chan struct{}
	err    error // of Wait, once exited is closed
}

// launch starts the server. A predecessor that is still going down makes it exit
// at once; the caller tries again.
func (c *Cluster) launch() (*server, error) {
	args := []string{
		"-D", c.data(), "-k", c.sockets, "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700",
		"-c", "logging_collector=off", "-c", "log_min_messages=warning",
	}
	if c.config.Unsafe {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
	}
	logFile, err := os.Create(c.logPath())
	if err != nil {
		return nil, fmt.Errorf("create server log: %w", err)
	}
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), args...)
	c.drop.apply(cmd)
	dieWithParent(cmd)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := errors.Join(cmd.Start(), logFile.Close()); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	c.mu.Lock()
	c.process = cmd.Process
	c.mu.Unlock()
	s := &server{exited: make(chan struct{})}
	go func() {
		defer close(s.exited)
		s.err = cmd.Wait()
	}()
	return s, nil
}

// answer waits until the server takes connections.
func (c *Cluster) answer(s *server) error {
	deadline := time.After(startDeadline)
	for {
		if err := c.ping(); err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("postgres exited: %w", errors.Join(errExited, s.err))
		case <-c.stop:
			c.halt(s)
			return errStopping
		case <-deadline:
			c.halt(s)
			return errors.New("postgres does not answer")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (c *Cluster) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// await reports true after Stop has stopped the server, false when it died.
func (c *Cluster) await(s *server) bool {
	select {
	case <-s.exited:
		return false
	case <-c.stop:
		c.halt(s)
		return true
	}
}

// halt stops the server: fast, which ends sessions, then immediately, then hard.
func (c *Cluster) halt(s *server) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := c.Process().Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			c.config.Log.Warn("private postgres not signalled", "err", err)
		}
		select {
		case <-s.exited:
			return
		case <-time.After(fastStop):
		}
	}
	<-s.exited
}

func (c *Cluster) logPath() string { return filepath.Join(c.dir, "server.log") }

// lastWords returns the end of the server's log.
func (c *Cluster) lastWords() string {
	out, err := os.ReadFile(c.logPath())
	if err != nil {
		return err.Error()
	}
	return lastLine(out)
}
