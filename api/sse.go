package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

const (
	// commentInterval keeps proxies from closing an idle stream.
	commentInterval = 15 * time.Second
	// catchUpFlush is how many records are sent at a time to a client that
	// catches up.
	catchUpFlush = 64
)

// eventNames are the types of event that a client can choose from.
//
//nolint:gochecknoglobals // a constant list
var eventNames = []string{"open", "slice", "block", "epoch", "reorg", "heads"}

// stream is one client of the event stream.
type stream struct {
	s     *Server
	w     http.ResponseWriter
	rc    *http.ResponseController
	types map[string]bool // nil: all
	place eventlog.Cursor
}

// getEvents streams the records of the log, with the moves of the heads in
// between. The id of an event is its place in the log: a client that returns
// with it goes on where it stopped, from memory or from the log itself.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	if s.logs == nil {
		problem(w, &Error{Code: CodeUnavailable, Message: "this node follows no log"})
		return
	}
	st := &stream{s: s, w: w, rc: http.NewResponseController(w), place: s.window.end()}
	resumed, bad := st.parse(r)
	if bad != nil {
		problem(w, bad)
		return
	}
	ctx, leave, ok := s.conns.enter(r, s.cfg.MaxConnsPerIP)
	if !ok {
		s.metrics.dropped.WithLabelValues("too_many_connections").Inc()
		problem(w, &Error{Code: CodeLimit, Message: "too many connections"})
		return
	}
	defer leave()
	s.metrics.requests.WithLabelValues("sse").Inc()
	_ = st.rc.SetReadDeadline(time.Time{}) // the server would end the request at it
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	hello := "retry: 1000\n\n"
	if !resumed {
		// An event without data only tells the id: whoever is cut off before the
		// first event resumes from here, not from wherever the log is by then.
		hello = "retry: 1000\nid: " + st.place.String() + "\n\n"
	}
	if err := st.flush(hello); err != nil {
		return
	}
	if err := st.run(ctx); err != nil && ctx.Err() == nil {
		s.metrics.dropped.WithLabelValues("event_stream").Inc()
		s.log.Debug("event stream ended", "err", err)
	}
}

// parse reads the place to go on from and the types.
func (st *stream) parse(r *http.Request) (resumed bool, bad *Error) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("after")
	}
	if id != "" {
		place, err := eventlog.ParseCursor(id)
		if err != nil {
			return false, invalidParams(err.Error())
		}
		st.place = place
	}
	names := r.URL.Query().Get("types")
	if names == "" {
		return id != "", nil
	}
	st.types = make(map[string]bool)
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(eventNames, name) {
			return false, invalidParams(fmt.Sprintf("there is no event type %q; there are %s", name, strings.Join(eventNames, ", ")))
		}
		st.types[name] = true
	}
	return id != "", nil
}

func (st *stream) run(ctx context.Context) error {
	heads := st.s.heads.subscribe()
	defer st.s.heads.unsubscribe(heads)
	comment := time.NewTicker(commentInterval)
	defer comment.Stop()
	if err := st.head(st.s.chain.Heads()); err != nil {
		return err
	}
	for {
		entries, grown, ok := st.s.window.after(st.place)
		if !ok {
			if err := st.catchUp(ctx); err != nil {
				return err
			}
			continue
		}
		for _, e := range entries {
			if err := st.entry(e); err != nil {
				return err
			}
		}
		if len(entries) > 0 {
			if err := st.rc.Flush(); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		case <-heads.wake:
			moves, _ := heads.take()
			for _, h := range moves {
				if err := st.head(h); err != nil {
					return err
				}
			}
		case <-comment.C:
			if err := st.flush(": \n\n"); err != nil {
				return err
			}
		}
	}
}

// catchUp reads the log itself until the window reaches back to the client's
// place. A place that the log cannot go on from gives a gap event, and the
// stream goes on with the oldest record that there is.
func (st *stream) catchUp(ctx context.Context) error {
	feed, err := st.s.logs.Read(ctx, st.place)
	if lostPlace(err) {
		if err := st.gap(err); err != nil {
			return err
		}
		st.place = eventlog.Cursor{}
		feed, err = st.s.logs.Read(ctx, st.place)
	}
	if err != nil {
		return fmt.Errorf("read the log after %s: %w", st.place, err)
	}
	defer feed.Close()
	for n := 1; ; n++ {
		// The end of the log may be reached before the window knows of it.
		next, cancel := context.WithTimeout(ctx, time.Second)
		record, err := feed.Next(next)
		cancel()
		switch {
		case err == nil:
			if err := st.entry(newEntry(record)); err != nil {
				return err
			}
			if n%catchUpFlush == 0 {
				if err := st.rc.Flush(); err != nil {
					return err
				}
			}
		case !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
			return fmt.Errorf("read the log after %s: %w", st.place, err)
		default:
			if err := st.flush(": \n\n"); err != nil {
				return err
			}
		}
		if _, _, ok := st.s.window.after(st.place); ok {
			return st.rc.Flush()
		}
	}
}

// entry writes a record as an event. The place moves on past those that the
// client did not ask for too.
func (st *stream) entry(e *entry) error {
	st.place = e.record.Cursor
	e.render()
	if e.name == "" || st.types != nil && !st.types[e.name] {
		return nil
	}
	return st.write("id: " + st.place.String() + "\nevent: " + e.name + "\ndata: " + string(e.data) + "\n\n")
}

// head writes a move of the heads. It has no id, since the log does not hold
// it: every stream starts with the heads as they are.
func (st *stream) head(h motet.Heads) error {
	if st.types != nil && !st.types["heads"] {
		return nil
	}
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode heads: %w", err)
	}
	return st.flush("event: heads\ndata: " + string(data) + "\n\n")
}

func (st *stream) gap(cause error) error {
	data, err := json.Marshal(map[string]string{"after": st.place.String(), "reason": cause.Error()})
	if err != nil {
		return fmt.Errorf("encode gap: %w", err)
	}
	return st.flush("event: gap\ndata: " + string(data) + "\n\n")
}

// write fails when the client does not take what was written before in time, and
// then the stream ends: the client resumes by its last id.
func (st *stream) write(text string) error {
	_ = st.rc.SetWriteDeadline(time.Now().Add(st.s.limits.eventTimeout)) // a recorder has none
	_, err := st.w.Write([]byte(text))
	return err
}

// flush writes and sees to it that the client gets it now.
func (st *stream) flush(text string) error {
	if err := st.write(text); err != nil {
		return err
	}
	return st.rc.Flush()
}
