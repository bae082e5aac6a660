package sequencer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
)

// point names an external write.
type point string

const (
	atEpoch  point = "append EPOCH"
	atOpen   point = "append OPEN and SLICE"
	atSlice  point = "append SLICE"
	atSeal   point = "append SEAL"
	atCommit point = "commit"
)

// fault is what happens at a point: the write is done or not, and err is
// returned.
type fault struct {
	persist bool
	err     error
}

// errKilled stands for the end of the process.
var errKilled = errors.New("killed")

// faults holds one fault for each point, each used once.
type faults struct {
	mu      sync.Mutex
	planned map[point][]fault
	hit     []point
	sick    atomic.Bool
	doubt   []byte // what was persisted and reported as not known
	at      eventlog.Cursor
	// committed is called after a commit, before the sequencer knows of it.
	committed func()
}

func (f *faults) plan(p point, fs ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.planned == nil {
		f.planned = make(map[point][]fault)
	}
	f.planned[p] = append(f.planned[p], fs...)
}

func (f *faults) next(p point) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fs := f.planned[p]
	if len(fs) == 0 {
		return fault{}, false
	}
	f.planned[p] = fs[1:]
	f.hit = append(f.hit, p)
	return fs[0], true
}

func (f *faults) hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.hit)
}

// faultyLog is a log whose answers get lost.
type faultyLog struct {
	Log
	f *faults
}

func pointOf(bodies []eventlog.Body) point {
	switch last := bodies[len(bodies)-1]; {
	case last.Seal != nil:
		return atSeal
	case last.Epoch != nil:
		return atEpoch
	case len(bodies) > 1:
		return atOpen
	default:
		return atSlice
	}
}

func (l faultyLog) Append(ctx context.Context, bodies ...eventlog.Body) (eventlog.Cursor, error) {
	enc, err := rlp.EncodeToBytes(fmt.Sprintf("%+v", bodies[len(bodies)-1]))
	if err != nil {
		return eventlog.Cursor{}, err
	}
	fault, faulty := l.f.next(pointOf(bodies))
	l.f.mu.Lock()
	doubt, at := l.f.doubt, l.f.at
	l.f.mu.Unlock()
	if doubt != nil {
		if !bytes.Equal(doubt, enc) {
			return eventlog.Cursor{}, fmt.Errorf("an append in doubt was not repeated: %w", motet.ErrHalt)
		}
		if !faulty {
			l.f.mu.Lock()
			l.f.doubt = nil
			l.f.mu.Unlock()
			return at, nil
		}
		return eventlog.Cursor{}, fault.err
	}
	if !faulty {
		return l.Log.Append(ctx, bodies...)
	}
	if fault.persist {
		at, err := l.Log.Append(ctx, bodies...)
		if err != nil {
			return at, err
		}
		if errors.Is(fault.err, motet.ErrUnavailable) {
			l.f.mu.Lock()
			l.f.doubt, l.f.at = enc, at
			l.f.mu.Unlock()
		}
	}
	return eventlog.Cursor{}, fault.err
}

// faultyChain is a chain store whose commits fail.
type faultyChain struct {
	*chain.Chain
	f *faults
}

func (c faultyChain) Commit(ctx context.Context, s *chain.Sealed) error {
	fault, faulty := c.f.next(atCommit)
	if !faulty {
		err := c.Chain.Commit(ctx, s)
		if c.f.committed != nil {
			c.f.committed()
		}
		return err
	}
	if fault.persist {
		if err := c.Chain.Commit(ctx, s); err != nil {
			return err
		}
	}
	return fault.err
}

// Healthy is chain.Chain's, unless the test says otherwise.
func (c faultyChain) Healthy() error {
	if c.f.sick.Load() {
		return motet.ErrUnavailable
	}
	return c.Chain.Healthy()
}
