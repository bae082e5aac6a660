package predict

import (
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
)

var transferSelector = "transfer(address,uint256)"

func transfer(from, to common.Address, token *Target) *motet.Tx {
	return newTx(from, token, 1, 0, data(transferSelector, addressWord(to), word(3)))
}

func TestSources(t *testing.T) {
	for text, want := range map[string]Sources{
		"off": 0, "static": Static, "access-list,learned": AccessList | Learned, "learned, static,access-list": AllSources,
	} {
		got, err := ParseSources(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
		if again, err := ParseSources(got.String()); err != nil || again != want {
			t.Errorf("%q is printed as %q: %d, %v", text, got.String(), again, err)
		}
	}
	var s Sources
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Var(&s, "predict", "")
	if err := set.Parse([]string{"-predict", "static,learned"}); err != nil || s != Static|Learned {
		t.Errorf("flag: %v, %v", &s, err)
	}
	for _, text := range []string{"", "on", "off,static", "static,", "Static"} {
		if err := set.Parse([]string{"-predict", text}); err == nil || s != Static|Learned {
			t.Errorf("%q is taken as %v: %v", text, &s, err)
		}
	}
}

func TestOff(t *testing.T) {
	if p := New(0); p != nil || p.Register(prometheus.NewRegistry()) != nil {
		t.Errorf("without sources there is %v", p)
	}
}

// TestNothingToKnow: creations and accounts without code.
func TestNothingToKnow(t *testing.T) {
	p := New(AllSources)
	creation := motet.NewTx(types.NewContractCreation(0, new(big.Int), 1e6, new(big.Int), []byte{1, 2, 3, 4, 5}), alice)
	plain := &Target{Address: bob}
	for _, tx := range []transaction{{Tx: creation}, {Tx: transfer(alice, bob, plain), to: plain}} {
		for range 5 {
			p.Observe(tx.Tx, tx.to, []Access{{Address: carol, Write: true}})
		}
		checkUnknown(t, p, tx)
	}
}

// listed is a transfer with an access list.
func listed(to *Target, at common.Address, slots ...common.Hash) *motet.Tx {
	return motet.NewTx(types.NewTx(&types.AccessListTx{
		To: &to.Address, Gas: 1e6, GasPrice: new(big.Int), Data: data(transferSelector, addressWord(bob), word(1)),
		AccessList: types.AccessList{{Address: bob}, {Address: at, StorageKeys: slots}},
	}), alice)
}

func TestAccessList(t *testing.T) {
	w := newWorld(t)
	token := benchToken(t, w)
	unknown := w.install("unknown", []byte{0x5f, 0x54, 0x55}) // SLOAD(0) is the slot
	first, second := mapping(addressWord(alice), word(0)), word(77)

	p := New(AllSources)
	tx := listed(unknown, token.Address, first, second, first)
	got, ok := p.Slots(nil, tx, unknown)
	if want := []Access{{token.Address, first, true}, {token.Address, second, true}}; !ok || !slices.Equal(got, want) {
		t.Errorf("declared to unknown code: %v %v, want %v", got, ok, want)
	}
	keys, ok := p.Keys(nil, tx, unknown)
	if !ok || len(keys) != 2 || !keys[0].Write || keys[0].Hash == keys[1].Hash {
		t.Errorf("keys %v %v", keys, ok)
	}
	p.Observe(tx, unknown, []Access{{token.Address, second, false}, {token.Address, word(5), true}})
	if s := p.Stats().AccessList; s != (Counts{Predictions: 1, Hits: 1, Misses: 1, Wasted: 1}) {
		t.Errorf("counted %+v", s)
	}

	// The template says what is written; what is declared as well is one slot.
	got, _ = p.Slots(nil, listed(token, token.Address, first, second), token)
	want := []Access{{token.Address, first, true}, {token.Address, mapping(addressWord(bob), word(0)), true}, {token.Address, second, false}}
	if !slices.Equal(slots(got), slots(want)) {
		t.Errorf("declared to known code: %v, want %v", got, want)
	}
	if got, ok := New(Static|Learned).Slots(nil, tx, unknown); ok {
		t.Errorf("without access lists: %v", got)
	}
}

// TestAppends: what is in the slices already stays, equal or not.
func TestAppends(t *testing.T) {
	w, p := newWorld(t), New(Static)
	token := benchToken(t, w)
	tx := transfer(alice, alice, token)
	first, _ := p.Keys(nil, tx, token)
	both, _ := p.Keys(first, tx, token)
	if len(first) != 1 || len(both) != 2 || both[0] != both[1] {
		t.Errorf("a transfer to oneself: %v, then %v", first, both)
	}
	got, _ := p.Slots(nil, tx, token)
	if again, _ := p.Slots(got, tx, token); len(got) != 1 || len(again) != 2 {
		t.Errorf("a transfer to oneself: %v, then %v", got, again)
	}
}

func TestAllocations(t *testing.T) {
	x, p := newExchange(t, 1), New(AllSources)
	token := benchToken(t, x.world)
	var tx transaction
	for i := range 20 {
		tx = x.swap(i, 0, i%2 == 0)
		p.see(tx)
	}
	for what, tx := range map[string]transaction{
		"transfer": {Tx: transfer(alice, bob, token), to: token}, "swap": tx,
		"list": {Tx: listed(token, token.Address, word(1)), to: token},
	} {
		keys, got := make([]Key, 0, 40), make([]Access, 0, 40)
		if _, ok := p.Keys(keys, tx.Tx, tx.to); !ok {
			t.Errorf("%s: nothing is predicted", what)
		}
		n := testing.AllocsPerRun(200, func() {
			_, _ = p.Keys(keys, tx.Tx, tx.to)
			_, _ = p.Slots(got, tx.Tx, tx.to)
		})
		if n >= 1 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

// TestBounds: the functions that are in use survive any number of others.
func TestBounds(t *testing.T) {
	w, p := newWorld(t), New(AllSources)
	token := benchToken(t, w)
	tx := transfer(alice, bob, token)
	p.Keys(nil, tx, token)
	used := p.entries.find(p.seeds.function(&token.CodeHash, tx.Data()))
	for i := range uint32(10 * cacheSize) {
		other := *token
		other.CodeHash = word(uint64(i / 100)) // spends no budget for long
		other.CodeHash[0] = byte(i % 251)
		call := binary.BigEndian.AppendUint32(nil, i)
		p.Keys(nil, newTx(alice, &other, 0, 0, call), &other)
		p.Keys(nil, tx, token)
	}
	held := 0
	for i := range p.entries.sets {
		for way := range p.entries.sets[i] {
			if p.entries.sets[i][way].Load() != nil {
				held++
			}
		}
	}
	if held > cacheSize || held < cacheSize*9/10 {
		t.Errorf("%d functions are held", held)
	}
	if p.entries.find(p.seeds.function(&token.CodeHash, tx.Data())) != used {
		t.Error("the function in use was forgotten")
	}
}

// TestBudget: a code is not analysed for any number of selectors.
func TestBudget(t *testing.T) {
	p := New(Static)
	// A loop that the analysis runs through until it gives up.
	code := []byte{0x5f, 0x5b, 0x60, 0x01, 0x01, 0x60, 0x01, 0x56}
	to := &Target{Address: bob, CodeHash: word(1), Code: code}
	for i := range uint32(1000) {
		checkUnknown(t, p, transaction{Tx: newTx(alice, to, 0, 0, binary.BigEndian.AppendUint32(nil, i)), to: to})
	}
	spent, _ := p.spent.add(p.seeds.function(&to.CodeHash, nil))
	if limit := int64(stepsPerByte*len(code) + fewSteps); spent.Load() < limit || spent.Load() > limit+8 {
		t.Errorf("%d steps of %d", spent.Load(), limit)
	}
}

func TestConcurrency(t *testing.T) {
	x, p := newExchange(t, 3), New(AllSources)
	token := benchToken(t, x.world)
	var txs []transaction
	for i := range 60 {
		txs = append(txs, x.swap(i, i%3, i%2 == 0), chain(x.world, token, i))
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			var keys []Key
			var got []Access
			for i := range 4 * len(txs) {
				tx := txs[(i*7+worker)%len(txs)]
				keys, _ = p.Keys(keys[:0], tx.Tx, tx.to)
				got, _ = p.Slots(got[:0], tx.Tx, tx.to)
				if i%3 == worker {
					p.see(tx)
				}
				p.Stats()
			}
		})
	}
	wg.Wait()
	checkExact(t, p, chain(x.world, token, 500))
	for _, tx := range txs { // what was learnt of swaps last, in an order of chance, may hold for few
		p.see(tx)
	}
	if keys, _ := p.Keys(nil, txs[0].Tx, txs[0].to); len(keys) < 4 {
		t.Errorf("a swap has keys %v", keys)
	}
}

func TestMetrics(t *testing.T) {
	w, p := newWorld(t), New(AllSources)
	r := prometheus.NewPedanticRegistry()
	if err := errors.Join(p.Register(nil), p.Register(r)); err != nil {
		t.Fatal(err)
	}
	if got := gather(t, r); len(got) != 4*nSources {
		t.Errorf("series at the start: %v", got)
	}
	token := benchToken(t, w)
	tx := chain(w, token, 1)
	checkExact(t, p, tx)
	p.see(tx)
	got := gather(t, r)
	for name, want := range map[string]float64{
		"motet_predict_hits_total static": 2, "motet_predict_hits_total learned": 0, "motet_predict_predictions_total static": 1,
		"motet_predict_misses_total static": 0, "motet_predict_wasted_total access-list": 0,
	} {
		if n, ok := got[name]; n != want || !ok {
			t.Errorf("%s is %v, want %v", name, n, want)
		}
	}
}

// gather returns the counters by name and source.
func gather(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[f.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return out
}
