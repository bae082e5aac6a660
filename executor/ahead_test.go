package executor

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/predict"
)

// slowReader takes as long as a disk does, and fails once it has been asked too
// often.
type slowReader struct {
	state.Reader
	asked *atomic.Int64
	limit int64
}

var errWorn = errors.New("the disk is worn")

func (r slowReader) ask() error {
	time.Sleep(200 * time.Microsecond)
	if r.asked.Add(1) > r.limit {
		return errWorn
	}
	return nil
}

func (r slowReader) Account(addr common.Address) (*types.StateAccount, error) {
	if err := r.ask(); err != nil {
		return nil, err
	}
	return r.Reader.Account(addr)
}

func (r slowReader) Storage(addr common.Address, key common.Hash) (common.Hash, error) {
	if err := r.ask(); err != nil {
		return common.Hash{}, err
	}
	return r.Reader.Storage(addr, key)
}

// TestReadAhead: most of what the transactions read is in the memory before they
// run, whether they run serially or not, the predicted slots included; what they do
// is the same; and a failing disk fails the block as it does without.
func TestReadAhead(t *testing.T) {
	const n = 240
	distinct := make([]*motet.Tx, n)
	chained := make([]*motet.Tx, n)
	transfers := make([]*motet.Tx, n)
	for i := range n {
		transfers[i] = traceTx(i, 0, common.Address{0xbb}, nil)
		distinct[i] = traceTx(i, 0, own, nil)
		chained[i] = traceTx(i, 0, counter, nil)
	}
	run := func(e Executor, txs []*motet.Tx, limit int64) (*motet.Outcome, Stats, int64, error) {
		env := traceEnv()
		asked := new(atomic.Int64)
		env.State = slowReader{Reader: env.State, asked: asked, limit: limit}
		b, err := e.Open(context.Background(), env)
		if err != nil {
			return nil, Stats{}, 0, err
		}
		slice, err := b.Run(context.Background(), txs)
		if err != nil {
			return nil, Stats{}, asked.Load(), err
		}
		out, err := b.Finish(context.Background(), nil)
		return out, slice.Stats, asked.Load(), err
	}
	for _, c := range []struct {
		name    string
		txs     []*motet.Tx
		sources predict.Sources
		least   int
		most    int
	}{
		{"slots", distinct, predict.AllSources, n + 4*batch, 2*n + 2},
		{"serially", chained, predict.AllSources, n / 2, n + 2},
		{"off", distinct, 0, 0, 0},
	} {
		want, stats, asked, err := run(NewSerial(Config{}), c.txs, 1<<40)
		if err != nil || stats.ReadAhead != 0 {
			t.Fatalf("%s: serially %+v, %v", c.name, stats, err)
		}
		e := NewParallel(Config{Workers: 2, Warm: true, Predict: predict.New(c.sources)})
		got, stats, again, err := run(e, c.txs, 1<<40)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !reflect.DeepEqual(got.Changes, want.Changes) || !reflect.DeepEqual(got.Receipts, want.Receipts) {
			t.Errorf("%s: reading ahead changes what the block does", c.name)
		}
		if stats.ReadAhead < c.least || stats.ReadAhead > c.most {
			t.Errorf("%s: %d read ahead of %d, want %d to %d", c.name, stats.ReadAhead, asked, c.least, c.most)
		}
		// Workers may catch up with a reader and load the same cells.
		if again > asked+asked/2 {
			t.Errorf("%s: %d reads, %d without reading ahead", c.name, again, asked)
		}
		if _, stats, _, err = run(e, c.txs, 1<<40); err != nil || stats.ReadAhead != 0 {
			t.Errorf("%s: %d read ahead of a warm block, %v", c.name, stats.ReadAhead, err)
		}
		if c.name == "slots" { // the slots alone, once another block has looked at the senders
			e := NewParallel(Config{Workers: 2, Warm: true, Predict: predict.New(c.sources)})
			if _, _, _, err := run(e, transfers, 1<<40); err != nil {
				t.Fatal(err)
			}
			if _, stats, _, err := run(e, c.txs, 1<<40); err != nil || stats.ReadAhead < n/2 || stats.ReadAhead > n+2 {
				t.Errorf("%d read ahead of %d slots, %v", stats.ReadAhead, n, err)
			}
		}
		for _, limit := range []int64{5, n / 2} {
			e := NewParallel(Config{Workers: 2, Warm: true, Predict: predict.New(c.sources)})
			if _, _, _, err := run(e, c.txs, limit); !errors.Is(err, errWorn) {
				t.Errorf("%s: a disk that fails after %d reads: %v", c.name, limit, err)
			}
			// What was read until then is used again.
			if got, _, _, err := run(e, c.txs, 1<<40); err != nil || !reflect.DeepEqual(got.Changes, want.Changes) {
				t.Errorf("%s: after the disk failed at %d reads, the block does something else, %v", c.name, limit, err)
			}
		}
	}
}
