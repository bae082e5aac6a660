package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrRecreated says that the derived stream is another one than the one that was
// opened for reading. The reader has to open it again.
var ErrRecreated = errors.New("stream was made anew")

// ListFeed reads the block access lists of the derived stream. At the end it waits
// for new ones. It is used by one goroutine at a time; there may be many feeds. It
// holds one list, at most 256 MiB, and a few messages.
type ListFeed struct {
	src   source
	lists assembly
	ready []listOrError
}

type listOrError struct {
	list *AccessList
	err  error
}

// Read opens a feed of the lists of blocks from that number on, 0 for all that the
// stream holds. The caller must Close it.
//
// Lists come in the order in which they were published. Numbers do not skip unless
// the writer could not make a list, and go back where the chain was rolled back.
func (d *Derived) Read(ctx context.Context, from uint64) (*ListFeed, error) {
	ctx, cancel := context.WithTimeout(ctx, d.conn.cfg.Timeout)
	defer cancel()
	stream, err := d.conn.js.Stream(ctx, derivedStream)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", derivedStream, unavailable(err))
	}
	info := stream.CachedInfo()
	if err := d.id.check(derivedStream, info.Config.Metadata); err != nil {
		return nil, err
	}
	f := &ListFeed{src: source{conn: d.conn, stream: stream, created: info.Created, next: info.State.FirstSeq}}
	if from > 0 {
		if f.src.next, err = locate(ctx, stream, from, info.State); err != nil {
			return nil, fmt.Errorf("find block %d in %s: %w", from, derivedStream, err)
		}
	}
	f.src.next = max(f.src.next, 1)
	return f, nil
}

// locate returns the sequence of a message about a block from that number on
// whose predecessor is about an earlier block. It is found by bisection. Where a
// rollback made the numbers go back there are several, and each will do: what is
// canonical from the number on was published after the last of them.
func locate(ctx context.Context, s jetstream.Stream, from uint64, state jetstream.StreamState) (uint64, error) {
	lo, hi := state.FirstSeq, state.LastSeq+1
	for lo < hi {
		mid := lo + (hi-lo)/2
		c, seq, err := chunkFrom(ctx, s, mid)
		switch {
		case err != nil:
			return 0, err
		case c == nil || seq >= hi || c.block.Number >= from:
			hi = mid
		default:
			lo = seq + 1
		}
	}
	return lo, nil
}

// chunkFrom returns what the first message of ours from a sequence on is about,
// and its sequence; nil if there is none.
func chunkFrom(ctx context.Context, s jetstream.Stream, seq uint64) (*chunk, uint64, error) {
	for ; ; seq++ {
		msg, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(s.CachedInfo().Config.Subjects[0]))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, unavailable(err)
		}
		seq = msg.Sequence
		if c, err := parseChunk(msg.Header); err == nil {
			return &c, seq, nil
		}
	}
}

// Next returns the next list, waiting for it if need be, also while the server is
// away. A *ListError tells of a list that the stream does not hold whole: it is
// skipped, and the next call goes on after it.
func (f *ListFeed) Next(ctx context.Context) (*AccessList, error) {
	for len(f.ready) == 0 {
		if err := f.fill(ctx); err != nil {
			return nil, fmt.Errorf("read %s: %w", derivedStream, err)
		}
	}
	first := f.ready[0]
	f.ready = f.ready[1:]
	return first.list, first.err
}

// fill waits for one message.
func (f *ListFeed) fill(ctx context.Context) error {
	msg, err := f.src.message(ctx)
	missing, gap := errors.AsType[*missingError](err)
	switch {
	case gap:
		f.skip(missing.got, ErrIncomplete)
		return nil
	case errors.Is(err, ErrTrimmed):
		info, err := f.src.stream.Info(ctx)
		if err != nil {
			return nil //nolint:nilerr // the next attempt finds out
		}
		f.skip(max(info.State.FirstSeq, f.src.next), ErrTrimmed)
		return nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("%w (%w)", err, ErrRecreated)
	case err != nil:
		return err
	}
	list, lost := f.lists.add(f.src.next-1, msg.Headers(), msg.Data())
	f.tell(lost...)
	if list != nil {
		f.ready = append(f.ready, listOrError{list: list})
	}
	return nil
}

// skip tells of messages that are not there any more and goes on at another.
func (f *ListFeed) skip(to uint64, why error) {
	lost := f.lists.drop(f.src.next, why)
	if lost == nil {
		lost = []error{&ListError{Sequence: f.src.next, Err: why}}
	}
	f.tell(lost...)
	f.src.next = to
}

func (f *ListFeed) tell(lost ...error) {
	for _, err := range lost {
		f.ready = append(f.ready, listOrError{err: err})
	}
}

// Close ends the feed.
func (f *ListFeed) Close() { f.src.close() }
