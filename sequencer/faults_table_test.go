package sequencer

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// TestWriteFaults walks every external write through {failed, failed but done}
// for each kind of failure. Progress means that Run goes on by itself; otherwise
// it must end with that error, and a restart must find all that was answered.
func TestWriteFaults(t *testing.T) {
	t.Parallel()
	type row struct {
		at       point
		err      error
		progress bool
	}
	away := fmt.Errorf("no answer: %w", motet.ErrUnavailable)
	rows := map[string]row{
		"OPEN, away":     {atOpen, away, true},
		"SLICE, away":    {atSlice, away, true},
		"SEAL, away":     {atSeal, away, true},
		"OPEN, killed":   {atOpen, errKilled, false},
		"SLICE, killed":  {atSlice, errKilled, false},
		"SEAL, killed":   {atSeal, errKilled, false},
		"commit, killed": {atCommit, errKilled, false},
		"SEAL, halt":     {atSeal, fmt.Errorf("cannot tell: %w", motet.ErrHalt), false},
		"SLICE, deposed": {atSlice, eventlog.ErrDeposed, false},
	}
	for name, row := range rows {
		for _, persist := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, done %t", name, persist), func(t *testing.T) {
				t.Parallel()
				testWriteFault(t, row.at, fault{persist: persist, err: row.err}, row.progress)
			})
		}
	}
}

func testWriteFault(t *testing.T, at point, what fault, progress bool) {
	const away = "log is away, no block is built"
	f := new(faults)
	s := newSUT(t, func(o *setup) {
		o.faults, o.expect = f, []string{away}
		if at != atSlice { // a second slice needs a block that stays open
			o.config.BlockTime = 0
		}
	}).run()
	s.included(s.submit(s.transfer(0, testAddr(1)))...)
	before := s.hashes()
	times := 1
	if progress {
		times = 3
	}
	for range times {
		f.plan(at, what)
	}
	hashes := s.submit(s.transfer(0, testAddr(1)), s.transfer(1, testAddr(2)))
	if at == atSlice {
		s.eventually("first slice", func() bool { p := s.seq.Pending(); return p != nil && len(p.Txs) == 2 })
		hashes = append(hashes, s.submit(s.transfer(2, testAddr(3)))...)
	}
	if progress {
		s.included(hashes...)
		if f.hits() != times {
			t.Fatalf("%d faults hit, want %d", f.hits(), times)
		}
		noErr(t, s.halt())
		s.agree()
		return
	}
	select {
	case <-s.ended:
	case <-time.After(testWait):
		t.Fatal("Run goes on")
	}
	wantErr(t, s.halt(), what.err)
	promised := s.promised()
	r := s.reopen(onDemand)
	noErr(t, r.seq.Recover(t.Context()))
	r.keeps(promised)
	r.run()
	r.included(hashes...)
	r.included(r.submit(r.transfer(0, testAddr(1)))...)
	r.sameHashes(before)
	noErr(t, r.halt())
	r.agree()
}

// TestRecoverFault repeats an announcement that is in doubt, and gives up on one
// that fails.
func TestRecoverFault(t *testing.T) {
	t.Parallel()
	for _, persist := range []bool{false, true} {
		f := new(faults)
		f.plan(atEpoch, fault{persist: persist, err: motet.ErrUnavailable}, fault{persist: persist, err: motet.ErrUnavailable})
		s := openSUT(t, t.TempDir(), func(o *setup) {
			o.faults = f
			o.expect = []string{"log is away, no block is built"}
		})
		noErr(t, s.seq.Recover(t.Context()))
		if n := len(s.records()); n != 1 {
			t.Fatalf("%d records, want one EPOCH", n)
		}
	}
	f := new(faults)
	f.plan(atEpoch, fault{err: eventlog.ErrDeposed})
	s := openSUT(t, t.TempDir(), func(o *setup) { o.faults = f })
	wantErr(t, s.seq.Recover(t.Context()), eventlog.ErrDeposed)
	wantErr(t, s.seq.Run(t.Context()), errNotRecovered)
}

// promise is a preconfirmation that was given.
type promise struct {
	number, index uint64
	tx            common.Hash
}

// promised returns what Pending shows.
func (s *sut) promised() (out []promise) {
	if p := s.seq.Pending(); p != nil {
		for i, tx := range p.Txs {
			out = append(out, promise{p.Open.Number, uint64(i), tx.Hash()})
		}
	}
	return out
}

// keeps checks that each promise stands: in the chain or in the open block.
func (s *sut) keeps(promises []promise) {
	s.t.Helper()
	for _, p := range promises {
		if block := s.chain.BlockByNumber(p.number); block != nil {
			if got := block.Transactions()[p.index].Hash(); got != p.tx {
				s.t.Fatalf("transaction %d of block %d is %s, promised was %s", p.index, p.number, got, p.tx)
			}
			continue
		}
		open := s.seq.Pending()
		if open == nil || open.Open.Number != p.number || uint64(len(open.Txs)) <= p.index || open.Txs[p.index].Hash() != p.tx {
			s.t.Fatalf("transaction %d of block %d, %s, is neither in the chain nor in the open block", p.index, p.number, p.tx)
		}
	}
}

// hashes returns the canonical blocks' hashes.
func (s *sut) hashes() []common.Hash {
	var out []common.Hash
	for n := range s.chain.Head().Number.Uint64() + 1 {
		out = append(out, s.chain.BlockHash(n))
	}
	return out
}

func (s *sut) sameHashes(before []common.Hash) {
	s.t.Helper()
	for n, want := range before {
		if got := s.chain.BlockHash(uint64(n)); got != want {
			s.t.Fatalf("block %d was %s, is %s", n, want, got)
		}
	}
}
