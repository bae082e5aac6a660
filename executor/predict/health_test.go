package predict

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// invented is code that the analysis makes nothing of; what its calls touch is up
// to the test.
func invented() *Target {
	return &Target{Address: addr("invented"), CodeHash: word(99), Code: []byte{0x5f, 0x54, 0x54}}
}

func invent(rng *rand.Rand, to *Target, touched func(from common.Address) []Access) transaction {
	from := account(rng.Int())
	return transaction{Tx: newTx(from, to, rng.Uint64(), 0, data("f(uint256)", word(rng.Uint64()))), to: to, touched: touched(from)}
}

func known(p *Predictor, tx transaction) bool {
	_, ok := p.Keys(nil, tx.Tx, tx.to)
	return ok
}

// TestSwitchOff: a learned template that is wrong is dropped, nothing is said for a
// while, and then the function is learned anew.
func TestSwitchOff(t *testing.T) {
	p, to, rng := New(AllSources), invented(), rand.New(rand.NewPCG(1, 1))
	mapped := func(base uint64) func(common.Address) []Access {
		return func(from common.Address) []Access {
			return []Access{{to.Address, mapping(addressWord(from), word(base)), true}}
		}
	}
	before := func() transaction { return invent(rng, to, mapped(3)) }
	after := func() transaction { return invent(rng, to, mapped(4)) }
	for range 30 {
		p.see(before())
	}
	checkExact(t, p, before())
	spoilt := 0
	for ; known(p, after()); spoilt++ {
		if spoilt > 200 {
			t.Fatal("a template that is always wrong is not dropped")
		}
		p.see(after())
	}
	for i := range restMin - 1 {
		p.see(after())
		if known(p, after()) {
			t.Fatalf("used again after %d observations", i+1)
		}
	}
	for range 10 {
		p.see(after())
	}
	checkExact(t, p, after())
	t.Logf("dropped after %d observations, %+v", spoilt, p.Stats().Learned)
}

// TestSwitchOffStatic: learning takes the place of an analysis that does not hold,
// and without it the analysis is tried again, later each time.
func TestSwitchOffStatic(t *testing.T) {
	for _, sources := range []Sources{Static, Static | Learned} {
		p, rng := New(sources), rand.New(rand.NewPCG(1, 1))
		to := &Target{Address: addr("invented"), CodeHash: word(99), Code: []byte{0x5f, 0x54, 0x00}}
		tx := func() transaction {
			return invent(rng, to, func(from common.Address) []Access {
				return []Access{{to.Address, mapping(addressWord(from), word(0)), true}}
			})
		}
		var pauses []int
		for n, was := 0, false; len(pauses) < 3 && n < 2000; n++ {
			if is := known(p, tx()); was && !is {
				pauses = append(pauses, 0)
				was = false
			} else if is {
				was = true
			} else if len(pauses) > 0 {
				pauses[len(pauses)-1]++
			}
			p.see(tx())
		}
		if sources&Learned != 0 {
			checkExact(t, p, tx())
		} else if len(pauses) < 3 || pauses[0] < restMin-2 || pauses[1] < 2*restMin-2 {
			t.Errorf("the pauses are %v", pauses)
		}
	}
}

// TestRareLocations: what only some calls touch is not predicted.
func TestRareLocations(t *testing.T) {
	p, to, rng := New(Learned), invented(), rand.New(rand.NewPCG(1, 1))
	n := 0
	tx := func() transaction {
		n++
		return invent(rng, to, func(from common.Address) []Access {
			out := []Access{{to.Address, word(5), true}, {to.Address, word(6), false}, {to.Address, common.Hash{0: 1, 31: 1}, true}}
			if n%4 == 0 {
				out = append(out, Access{to.Address, mapping(addressWord(from), word(9)), true})
			}
			return append(out, Access{to.Address, common.Hash{0: byte(n), 1: byte(n >> 8), 2: 9}, true}) // never the same
		})
	}
	for range 200 {
		p.see(tx())
	}
	usual := tx()
	usual.touched = usual.touched[:3]
	checkExact(t, p, usual)
	if e := p.entries.find(p.seeds.function(&to.CodeHash, usual.Data())); len(e.learner.candidates) > maxCandidates || len(e.learner.sightings) > maxSightings {
		t.Error("the learner has grown without bound")
	}
}

// TestHiddenState: which of three slots is touched cannot be seen from the call.
func TestHiddenState(t *testing.T) {
	p, to, rng := New(Learned), invented(), rand.New(rand.NewPCG(1, 1))
	predicted := 0
	for range 300 {
		tx := invent(rng, to, func(common.Address) []Access {
			return []Access{{to.Address, common.Hash{0: byte(rng.IntN(3)), 1: 1}, true}}
		})
		if known(p, tx) {
			predicted++
		}
		p.see(tx)
	}
	if predicted > 20 { // what happens to come several times in a row
		t.Errorf("%d of 300 calls were predicted", predicted)
	}
}

// TestLearnVyper: Vyper hashes the slot of a mapping before the key.
func TestLearnVyper(t *testing.T) {
	p, to, rng := New(Learned), invented(), rand.New(rand.NewPCG(1, 1))
	tx := func() transaction {
		return invent(rng, to, func(from common.Address) []Access {
			outer := mapping(word(3), addressWord(from))
			return []Access{{to.Address, outer, true}, {to.Address, mapping(outer, addressWord(from)), false}}
		})
	}
	for range 5 {
		p.see(tx())
	}
	checkExact(t, p, tx())
}

// TestLearnLoop: a loop of unknown length defies analysis, and its counter is
// learned.
func TestLearnLoop(t *testing.T) {
	w, p := newWorld(t), New(AllSources)
	bomb := w.install("bomb", benchCode(t, "Bomb"))
	tx := func(i int) transaction {
		return w.call(account(i), bomb, data("run(uint256)", word(uint64(i%5))))
	}
	checkUnknown(t, p, tx(1))
	for i := range 5 {
		p.see(tx(i))
	}
	checkExact(t, p, tx(9))
	dynamic := w.install("dynamic", []byte{0x5f, 0x54, 0x80, 0x55}) // the slot is what slot 0 holds
	checkUnknown(t, p, w.call(alice, dynamic, nil))
}

// TestLearnPoolContracts: contracts of one code, each called itself, with tokens of
// their own that no call names.
func TestLearnPoolContracts(t *testing.T) {
	const pools, trades = 10, 120
	w, p := newWorld(t), New(AllSources)
	var of [pools]*Target
	var tokens [pools][2]*Target
	for i := range pools {
		of[i] = w.install("pool "+string(rune('a'+i)), benchCode(t, "Pool"))
		for side := range 2 {
			token := w.install("token "+string(rune('a'+2*i+side)), benchCode(t, "Token"))
			tokens[i][side] = token
			w.state.SetState(of[i].Address, word(uint64(1+side)), addressWord(token.Address))
			w.call(deployer, token, data("mint(address,uint256)", addressWord(of[i].Address), word(1<<40)))
		}
		w.state.SetState(of[i].Address, word(0), reserves(1<<40))
	}
	rng := rand.New(rand.NewPCG(5, 6))
	swap := func(n int) (transaction, int) {
		i := rng.IntN(pools)
		side := rng.IntN(2)
		who := account(n)
		w.call(deployer, tokens[i][side], data("mint(address,uint256)", addressWord(who), word(1<<30)))
		w.call(who, tokens[i][side], data("approve(address,uint256)", addressWord(of[i].Address), most))
		return w.call(who, of[i], data("swap(bool,uint256,uint256)", word(uint64(1-side)), word(uint64(1000+n)), word(1))), i
	}
	for n := range trades {
		tx, _ := swap(n)
		p.see(tx)
	}
	seen := map[uint64]int{}
	shared := 0
	for n := range trades {
		tx, pool := swap(1000 + n)
		keys, ok := p.Keys(nil, tx.Tx, tx.to)
		if !ok {
			t.Fatal("nothing is predicted")
		}
		known := false
		for _, k := range keys {
			before, ok := seen[k.Hash]
			if ok && before != pool {
				t.Fatalf("pools %d and %d share a key", pool, before)
			}
			seen[k.Hash], known = pool, known || ok
		}
		if known {
			shared++
		}
	}
	if shared < trades-pools {
		t.Errorf("only %d of %d swaps share a key with one before", shared, trades)
	}
	t.Logf("%+v", p.Stats().Learned)
}

func reserves(n uint64) common.Hash {
	var h common.Hash
	for i := range 6 {
		h[31-i], h[17-i] = byte(n>>(8*i)), byte(n>>(8*i))
	}
	return h
}
