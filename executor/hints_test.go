package executor

import (
	"context"
	"testing"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/predict"
)

// TestHintsEnd: wherever the transactions end that hints are asked for, those after
// them run as usual.
func TestHintsEnd(t *testing.T) {
	e := NewParallel(Config{Workers: 2, Predict: predict.New(predict.AllSources)})
	for left := range 20 {
		open, err := e.Open(context.Background(), traceEnv())
		if err != nil {
			t.Fatal(err)
		}
		p := open.(*parallelBlock)
		p.hints.rest = left
		for i, n := range []int{1, 90, 99} { // but for the first they are worth speculating with
			txs := make([]*motet.Tx, n)
			for k := range txs {
				txs[k] = traceTx(100*i+k, 0, own, nil)
			}
			slice, err := open.Run(context.Background(), txs)
			if err != nil || len(slice.Included) != n {
				t.Fatalf("%d left, slice %d: %d of %d transactions, %v", left, i, len(slice.Included), n, err)
			}
		}
		if left >= smallSlice && p.hints.predictor.Stats().Static.Predictions == 0 || p.hints.rest != 0 {
			t.Errorf("%d left: %d are at the end, %+v", left, p.hints.rest, p.hints.predictor.Stats().Static)
		}
		if _, err := open.Finish(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForesight: the last writer of what a transaction touches is what it follows,
// and the longest chain tells how many can run at a time.
func TestForesight(t *testing.T) {
	open, err := NewParallel(Config{Workers: 2, Predict: predict.New(predict.AllSources)}).Open(context.Background(), traceEnv())
	if err != nil {
		t.Fatal(err)
	}
	p := open.(*parallelBlock)
	txs := append(calls(4, always(own)), calls(3, always(counter))...)
	txs = append(txs, traceTx(1, 1, own, nil), traceTx(250, 0, peek, nil)) // sender 1 again; what peek writes is known, too
	o := p.hints.foresee(p.memory, txs, false)
	want := []int32{-1, -1, -1, -1, -1, 4, 5, 1, -1}
	for i := range txs {
		if p.hints.after[i] != want[i] {
			t.Errorf("transaction %d follows %d, want %d", i, p.hints.after[i], want[i])
		}
	}
	if want := (outlook{len(txs), len(txs), 3}); o != want || !o.promising() {
		t.Errorf("%+v, want %+v", o, want)
	}
	chain := make([]*motet.Tx, glance+10)
	for i := range chain {
		chain[i] = traceTx(i%300, 0, counter, nil)
	}
	for all, want := range map[bool]int{true: len(chain), false: glance} {
		if o := p.hints.foresee(p.memory, chain, all); o != (outlook{want, want, want}) || o.promising() {
			t.Errorf("of a chain of %d: %+v", len(chain), o)
		}
	}
}

// TestSamples: of each attempt the first lost transactions are kept, whatever the
// attempts before it lost, and the newest of all if there are many.
func TestSamples(t *testing.T) {
	open, err := NewParallel(Config{Workers: 2, Predict: predict.New(predict.AllSources)}).Open(context.Background(), traceEnv())
	if err != nil {
		t.Fatal(err)
	}
	p := open.(*parallelBlock)
	h, touched := &p.hints, &footprint{nSlots: 1, slots: []*slot{new(slot)}}
	for attempt := range 3 {
		for i := range 2 * maxLost {
			h.sample(p.memory, traceTx(i, 0, own, nil), touched, 1, true)
		}
		if len(h.samples) != maxLost {
			t.Errorf("attempt %d: %d samples", attempt, len(h.samples))
		}
		h.learn()
	}
	var last *motet.Tx
	for i := range 2 * maxSamples {
		last = traceTx(i, 0, own, nil)
		h.sample(p.memory, last, touched, 0, false)
	}
	if len(h.samples) != maxSamples || h.samples[maxSamples-1].tx != last {
		t.Errorf("%d samples, the newest of %v", len(h.samples), h.samples[len(h.samples)-1].tx.From)
	}
}
