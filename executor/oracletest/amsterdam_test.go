package oracletest

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet/executor"
)

func amsterdam(t *testing.T) fork {
	t.Helper()
	for _, f := range forks() {
		if f.name == "amsterdam" {
			return f
		}
	}
	t.Fatal("no such fork")
	return fork{}
}

// roomy is pay with gas for state, which costs from Amsterdam on (EIP-8037).
func (m *made) roomy(g *generator, from, to common.Address, value *big.Int, data ...byte) *draft {
	d := m.pay(g, from, to, value, data...)
	d.gas += 2_000_000
	return d
}

// TestDestroyedKeepsBalance has contracts destroy themselves in the transaction that
// creates them, in favour of themselves: they keep what they own (EIP-8246), lose what
// they have stored and their code, and may be created again. Each order of these steps
// comes up, in transactions of their own and in one.
func TestDestroyedKeepsBalance(t *testing.T) {
	m := newMade(t, amsterdam(t))
	for n, order := range permutations(4) {
		b := m.block(slicesChoice(n), func(g *generator) {
			for kind := range byte(4) {
				m.destroyed(g, order, byte(n)+kind, kind < 2, kind%2 == 0)
			}
		})
		if len(b.skipped) > 0 || b.cut < len(b.txs) {
			t.Fatalf("cut at %d of %d, skipped %+v", b.cut, len(b.txs), b.skipped)
		}
		for i, r := range b.receipts {
			if r.Status != types.ReceiptStatusSuccessful {
				t.Fatalf("transaction %d failed with %d of %d gas", i, r.GasUsed, b.txs[i].Gas())
			}
		}
	}
}

func (m *made) destroyed(g *generator, order []int, salt byte, young, apart bool) {
	factory, code := m.w.knives[1+int(salt)%4], cloneKnife(m.w.knives[0].Bytes())
	if young { // it is destroyed before it has any code
		code = common.FromHex("600160005530ff") // SSTORE(0, 1), SELFDESTRUCT(ADDRESS)
	}
	child := crypto.CreateAddress2(factory, common.Hash{31: salt}, crypto.Keccak256(code))
	call := func(value byte, program ...byte) []byte {
		return sized(append(append([]byte{opCall}, child[:]...), value), program)
	}
	end := call(0, append([]byte{opIncrement, 0, opSelfDestruct}, child[:]...)...)
	steps := [][]byte{
		append(sized([]byte{opCreate2, 3, salt}, code), end...),
		append(sized([]byte{opCreate2, 0, salt}, code), end...),
		call(2),
		append(append(append([]byte{opBalance}, child[:]...), opCode), child[:]...),
	}
	var program []byte
	for i, step := range order {
		program = append(program, steps[step]...)
		if apart || i == len(order)-1 {
			d := m.roomy(g, m.w.eoas[(i+int(salt))%8], factory, big.NewInt(9), append(program, opSave, 1, opLog)...)
			d.gas += 8_000_000
			m.submit(g, d)
			program = nil
		}
	}
}

// TestGasOfState ends a block whose gas for state is used up first (EIP-8037): the next
// transaction may ask for as much as is left, though there is more to execute with, and
// one with a wei of gas more ends the slice. What a transaction may ask for to execute
// with is capped.
func TestGasOfState(t *testing.T) {
	m := newMade(t, amsterdam(t))
	for at, over := range []uint64{0, 1} {
		b := m.block(slicesChoice(at), func(g *generator) {
			limit := g.block.env.Header.GasLimit
			large := m.roomy(g, m.w.eoas[9], m.w.knives[1], common.Big0, opIncrement, 1)
			large.gas = limit
			m.submit(g, large) // uses little of it
			for i := range 100 {
				m.submit(g, m.roomy(g, m.w.eoas[i%7], stranger(1000*at+i), common.Big1))
			}
			last := m.roomy(g, m.w.eoas[8], m.w.knives[1], common.Big0, opIncrement, 1)
			last.gas = limit - g.open.GasUsed() + over
			m.submit(g, last)
		})
		if want := len(b.txs) - int(over); b.cut != want || len(b.skipped) > 0 {
			t.Fatalf("want a cut at %d, got one at %d of %d, skipped %+v", want, b.cut, len(b.txs), b.skipped)
		}
	}
}

// TestAmsterdamSpeculates: what does not conflict runs once, and not alone.
func TestAmsterdamSpeculates(t *testing.T) {
	m := newMade(t, amsterdam(t))
	b := m.block(slicesChoice(0), func(g *generator) {
		for i := range 100 {
			m.submit(g, m.roomy(g, m.w.eoas[i%7], stranger(i), common.Big1))
		}
	})
	for _, schedule := range []executor.Schedule{executor.WherePays, executor.Always} {
		if s := m.stats(b, executor.Config{Workers: 4, Schedule: schedule}); s.Fallback != "" || s.Aborts > 0 || s.Executions != 100 {
			t.Errorf("%+v", s)
		}
	}
}

// TestDestroyedLeavesNothing has a contract be created where money was waiting since an
// earlier block, and pay it out as it destroys itself: the account is gone then, and so
// is the money.
func TestDestroyedLeavesNothing(t *testing.T) {
	for _, f := range []fork{forks()[0], amsterdam(t)} {
		m := newMade(t, f)
		factory, heir := m.w.knives[1], stranger(1)
		code := append(append([]byte{0x73}, heir[:]...), 0xff)
		child := crypto.CreateAddress2(factory, common.Hash{31: 9}, crypto.Keccak256(code))
		m.block(slicesChoice(0), func(g *generator) {
			m.submit(g, m.roomy(g, m.w.eoas[0], child, big.NewInt(7)))
		})
		m.block(slicesChoice(1), func(g *generator) {
			for i := range 9 {
				m.submit(g, m.roomy(g, m.w.eoas[1], stranger(10+i), common.Big1))
			}
			m.submit(g, m.roomy(g, m.w.eoas[2], factory, common.Big0, sized([]byte{opCreate2, 0, 9}, code)...))
			if paid := g.db.GetBalance(heir).Uint64(); paid != 7 || g.db.Exist(child) {
				t.Fatalf("%s: the heir owns %d, the child is there: %v", f.name, paid, g.db.Exist(child))
			}
		})
		m.block(slicesChoice(2), func(g *generator) {
			m.submit(g, m.roomy(g, m.w.eoas[3], factory, common.Big0, append(append([]byte{opBalance}, child[:]...), opSave, 1)...))
		})
	}
}
