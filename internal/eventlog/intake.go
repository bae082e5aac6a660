package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/motet-evm/motet"
)

const intakeStream = "MOTET_INTAKE"

// Intake is the mempool's write-ahead log. Concurrent calls are committed in
// groups: while one message is being synced to disk, the next one gathers.
type Intake struct {
	conn *Conn

	// turn admits one committer at a time; it guards w, next and places.
	turn   chan struct{}
	w      writer
	next   uint64  // sequence that the next transaction gets
	places []place // where transactions lie, oldest first
	mark   *mark

	mu    sync.Mutex
	queue []*ticket
}

// place says which transactions a message holds, so that Release knows what it
// may purge.
type place struct {
	seq uint64 // of the message in the stream
	end uint64 // sequence of the first transaction after it
}

// ticket is a call that waits for its commit.
type ticket struct {
	txs   [][]byte
	fates []motet.Fate
	first uint64
	done  chan error // buffered
}

// size returns the room that t takes in a message.
func (t *ticket) size() int {
	n := 0
	for _, raw := range t.txs {
		n += txSize(raw)
	}
	for i := range t.fates {
		n += fateSize(&t.fates[i])
	}
	return n
}

// OpenIntake opens the chain's intake, creating the stream if there is none.
// Call Replay before anything is appended, if it may hold something.
func (c *Conn) OpenIntake(ctx context.Context, id Identity) (*Intake, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	m, err := c.openMark(intakeStream)
	if err != nil {
		return nil, err
	}
	subject := "motet." + strconv.FormatUint(id.ChainID, 10) + ".intake"
	s, err := c.openStream(ctx, id, jetstream.StreamConfig{
		Name:       intakeStream,
		Subjects:   []string{subject},
		Storage:    jetstream.FileStorage,
		Discard:    jetstream.DiscardNew,
		MaxBytes:   c.cfg.MaxIntakeBytes,
		MaxMsgSize: MaxMessage,
		Replicas:   c.cfg.Replicas,
		DenyDelete: true,
		Metadata:   id.metadata(),
	})
	if err != nil {
		return nil, err
	}
	in := &Intake{
		conn: c,
		turn: make(chan struct{}, 1),
		w:    writer{conn: c, stream: s, subject: subject},
		next: 1,
		mark: m,
	}
	if err := in.resync(ctx); err != nil {
		return nil, err
	}
	return in, m.check(intakeStream, in.w.last, in.tail())
}

// tail is what the mark remembers. A stream that was made anew is another one.
func (in *Intake) tail() Cursor {
	return Cursor{Generation: uint64(in.w.stream.CachedInfo().Created.UnixNano()), Counter: in.w.last} //nolint:gosec // not before 1970
}

// resync takes the end of the stream as the place to go on from.
func (in *Intake) resync(ctx context.Context) error {
	info, err := in.w.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("read tail of %s: %w", intakeStream, unavailable(err))
	}
	in.w.last, in.w.doubt = info.State.LastSeq, nil
	if info.State.Msgs == 0 {
		return nil
	}
	msg, err := in.w.stream.GetMsg(ctx, in.w.last)
	if err != nil {
		return fmt.Errorf("read tail of %s: %w", intakeStream, unavailable(err))
	}
	e, err := decodeEntry(msg.Data)
	if err != nil {
		return &DamageError{Stream: intakeStream, Sequence: in.w.last, Err: err}
	}
	in.next = e.end()
	return nil
}

// AppendTxs makes transactions durable and returns the sequence of the first;
// the others follow without gaps. An error that wraps motet.ErrUnavailable says
// that they may or may not be stored: nothing must be promised for them.
func (in *Intake) AppendTxs(ctx context.Context, raw [][]byte) (first uint64, err error) {
	for _, tx := range raw {
		if txSize(tx)+intakeOverhead > maxPayload {
			return 0, fmt.Errorf("append transaction of %d bytes to intake: %w", len(tx), ErrTooLarge)
		}
	}
	t := &ticket{txs: raw, done: make(chan error, 1)}
	if len(raw) == 0 {
		return 0, errEmpty
	}
	if err := in.submit(ctx, t); err != nil {
		return 0, fmt.Errorf("append %d transactions to intake: %w", len(raw), err)
	}
	return t.first, nil
}

// AppendFates makes final fates durable.
func (in *Intake) AppendFates(ctx context.Context, fates []motet.Fate) error {
	const atOnce = 1000
	for part := range slices.Chunk(fates, atOnce) {
		if err := in.submit(ctx, &ticket{fates: part, done: make(chan error, 1)}); err != nil {
			return fmt.Errorf("append %d fates to intake: %w", len(fates), err)
		}
	}
	return nil
}

// submit queues t and waits until somebody, maybe this very goroutine, has
// committed it.
func (in *Intake) submit(ctx context.Context, t *ticket) error {
	in.mu.Lock()
	in.queue = append(in.queue, t)
	in.mu.Unlock()
	select {
	case err := <-t.done:
		return err
	case in.turn <- struct{}{}:
		defer func() { <-in.turn }()
	case <-ctx.Done():
		return ctx.Err() // somebody else may still commit it
	}
	select {
	case err := <-t.done:
		return err
	default:
	}
	in.mu.Lock()
	group := in.queue
	in.queue = nil
	in.mu.Unlock()
	// The group's fate must not hang on one caller's patience.
	in.commit(context.WithoutCancel(ctx), group)
	return <-t.done
}

// commit writes the group, in as few messages as it takes, and answers it.
func (in *Intake) commit(ctx context.Context, group []*ticket) {
	for len(group) > 0 {
		n, size := 0, 0
		fates := group[0].fates != nil
		for n < len(group) && (group[n].fates != nil) == fates {
			more := group[n].size()
			if n > 0 && size+more > maxPayload-intakeOverhead {
				break
			}
			size += more
			n++
		}
		err := in.write(ctx, group[:n])
		for _, t := range group[:n] {
			t.done <- err
		}
		group = group[n:]
	}
}

// write commits tickets of one kind.
func (in *Intake) write(ctx context.Context, group []*ticket) error {
	if group[0].fates != nil {
		var fates []motet.Fate
		for _, t := range group {
			fates = append(fates, t.fates...)
		}
		payload, err := encodeFates(in.next, fates)
		if err != nil {
			return err
		}
		return in.put(ctx, payload, 0)
	}
	var txs [][]byte
	first := in.next
	for _, t := range group {
		t.first = first
		first += uint64(len(t.txs))
		txs = append(txs, t.txs...)
	}
	for len(txs) > 0 {
		n, size := 0, 0
		for n < len(txs) && size+txSize(txs[n]) <= maxPayload-intakeOverhead {
			size += txSize(txs[n])
			n++
		}
		if err := in.put(ctx, encodeTxs(in.next, txs[:n]), n); err != nil {
			return err
		}
		txs = txs[n:]
	}
	return nil
}

// put stores one message with n transactions.
func (in *Intake) put(ctx context.Context, payload []byte, n int) error {
	if in.w.doubt != nil {
		if err := in.clear(ctx); err != nil {
			return err
		}
	}
	start := in.conn.now()
	if err := in.w.send(ctx, payload); err != nil {
		if in.w.doubt == nil || errors.Is(err, motet.ErrHalt) {
			return err
		}
		v, _, serr := in.w.settle(ctx)
		switch {
		case serr != nil:
			return fmt.Errorf("%w: %w", err, serr)
		case v == missing:
			return fmt.Errorf("%w: %w", err, errLost)
		case v == conflict:
			return fmt.Errorf("%w: %w", err, in.rejoin(ctx))
		}
	}
	in.conn.metrics.intakeSeconds.Observe(in.conn.now().Sub(start).Seconds())
	in.conn.metrics.intakeWrites.Inc()
	in.conn.metrics.intakeTxs.Add(float64(n))
	if err := in.mark.set(in.tail()); err != nil {
		in.conn.log.Warn("intake cannot remember its tail", slog.Any("err", err))
	}
	in.next += uint64(n)
	in.places = append(in.places, place{seq: in.w.last, end: in.next})
	return nil
}

// clear resolves an older doubt. If that message is stored after all, sequences
// have moved on, and what was about to be put must be numbered again.
func (in *Intake) clear(ctx context.Context) error {
	v, _, err := in.w.settle(ctx)
	if err != nil || v == missing {
		return err
	}
	return in.rejoin(ctx)
}

// rejoin goes on after a message that this process does not account for: one it
// gave up, or one of another writer. The intake is not fenced, the log is.
func (in *Intake) rejoin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, in.conn.cfg.Timeout)
	defer cancel()
	if err := in.resync(ctx); err != nil {
		return err
	}
	in.places = append(in.places, place{seq: in.w.last, end: in.next})
	return fmt.Errorf("another message came first: %w", motet.ErrUnavailable)
}

// Release allows to forget every transaction below lowest, and the fates that
// were appended before it. The last message stays, whatever it is.
func (in *Intake) Release(ctx context.Context, lowest uint64) error {
	select {
	case in.turn <- struct{}{}:
		defer func() { <-in.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n := 0
	for n < len(in.places)-1 && in.places[n].end <= lowest {
		n++
	}
	const worthwhile = 64 // messages; a purge rewrites files
	if n < worthwhile {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, in.conn.cfg.Timeout)
	defer cancel()
	if err := in.w.stream.Purge(ctx, jetstream.WithPurgeSequence(in.places[n].seq)); err != nil {
		return fmt.Errorf("release intake below %d: %w", lowest, unavailable(err))
	}
	in.places = slices.Delete(in.places, 0, n)
	return nil
}

// Replay hands out everything that the intake holds, oldest first: each
// transaction with its sequence, each final fate. It must be called before
// anything is appended.
func (in *Intake) Replay(ctx context.Context, tx func(seq uint64, raw []byte) error, fate func(motet.Fate) error) error {
	info, err := in.w.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("replay intake: %w", unavailable(err))
	}
	in.places = nil
	if info.State.Msgs == 0 {
		return nil
	}
	src := source{conn: in.conn, stream: in.w.stream, next: info.State.FirstSeq}
	defer src.close()
	var next uint64
	for src.next <= in.w.last {
		seq := src.next
		data, err := src.read(ctx)
		if err != nil && !errors.Is(err, errMissing) {
			return fmt.Errorf("replay intake: %w", err)
		}
		var e *entry
		if err == nil {
			e, err = decodeEntry(data)
		}
		if err == nil && e.next < next {
			err = errIntakeForm
		}
		if err != nil {
			return fmt.Errorf("replay intake: %w", &DamageError{Stream: intakeStream, Sequence: seq, Err: err})
		}
		next = e.end()
		in.places = append(in.places, place{seq: seq, end: next})
		if err := e.visit(tx, fate); err != nil {
			return err
		}
	}
	return nil
}

func (e *entry) visit(tx func(seq uint64, raw []byte) error, fate func(motet.Fate) error) error {
	for i, raw := range e.txs {
		if err := tx(e.next+uint64(i), raw); err != nil { //nolint:gosec // i counts up
			return fmt.Errorf("replay transaction %d: %w", e.next+uint64(i), err) //nolint:gosec // as above
		}
	}
	for _, f := range e.fates {
		if err := fate(f); err != nil {
			return fmt.Errorf("replay fate of %s: %w", f.Hash, err)
		}
	}
	return nil
}
