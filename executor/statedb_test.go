package executor

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/holiman/uint256"
)

// parityRules are the rule sets between which the meaning of a method changes.
var parityRules = []params.Rules{
	{},
	{IsEIP158: true},
	{IsEIP158: true, IsEIP2929: true, IsBerlin: true},
	{IsEIP158: true, IsEIP2929: true, IsBerlin: true, IsShanghai: true, IsCancun: true},
}

func newGethState(t testing.TB, fill func(*state.StateDB)) (*state.StateDB, state.Reader) {
	t.Helper()
	db := state.NewDatabase(triedb.NewDatabase(rawdb.NewMemoryDatabase(), nil), nil)
	s, err := state.New(types.EmptyRootHash, db)
	if err != nil {
		t.Fatal(err)
	}
	fill(s)
	root, err := s.Commit(params.Rules{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = state.New(root, db); err != nil {
		t.Fatal(err)
	}
	reader, err := db.Reader(root)
	if err != nil {
		t.Fatal(err)
	}
	return s, reader
}

// TestStateDBParity feeds the same random calls to geth's StateDB and to ours
// and compares every answer.
func TestStateDBParity(t *testing.T) {
	n := 60
	if testing.Short() {
		n = 10
	}
	for seed := range n {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		program := make([]byte, 700)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		runParity(t, program)
	}
}

func FuzzStateDBParity(f *testing.F) {
	f.Add([]byte("some calls, some reverts, some transactions; it does not matter which"))
	f.Fuzz(func(t *testing.T, program []byte) { runParity(t, program) })
}

func parityAddress(b byte) common.Address {
	switch b % 8 {
	case 0:
		return ripemd
	case 1:
		return common.BytesToAddress([]byte{1, 0}) // a precompile of Osaka
	default:
		return common.BytesToAddress([]byte{0xaa, b % 8, 0xbb})
	}
}

type parity struct {
	t       *testing.T
	program []byte
	rules   params.Rules
	geth    *state.StateDB
	ours    *txState
	snaps   [][2]int // ids of the same snapshot, geth's and ours
}

func (p *parity) next() byte {
	if len(p.program) == 0 {
		return 0
	}
	b := p.program[0]
	p.program = p.program[1:]
	return b
}

func (p *parity) word() common.Hash {
	var h common.Hash
	binary.BigEndian.PutUint16(h[30:], uint16(p.next()%4))
	return h
}

func runParity(t *testing.T, program []byte) {
	p := &parity{t: t, program: program}
	p.rules = parityRules[int(p.next())%len(parityRules)]
	geth, reader := newGethState(t, func(s *state.StateDB) {
		for b := byte(2); b < 6; b++ {
			addr := parityAddress(b)
			s.SetBalance(addr, uint256.NewInt(uint64(b)*1000), tracing.BalanceChangeUnspecified)
			if b%2 == 0 {
				s.SetCode(addr, []byte{b, 1, 2}, tracing.CodeChangeUnspecified)
				s.SetState(addr, common.Hash{31: 1}, common.Hash{31: 7})
			}
		}
		if !p.rules.IsEIP158 {
			s.CreateAccount(ripemd)
		}
	})
	m := newMemory()
	m.reset(common.Hash{}, reader)
	p.geth, p.ours = geth, newTxState(m)
	p.prepare()
	for len(p.program) > 0 {
		p.step()
		p.compare()
	}
	p.finalise()
	p.prepare()
	p.compare()
}

func (p *parity) prepare() {
	sender, coinbase, dst := parityAddress(p.next()), parityAddress(p.next()), parityAddress(p.next())
	list := types.AccessList{{Address: parityAddress(p.next()), StorageKeys: []common.Hash{p.word()}}}
	pre := []common.Address{common.BytesToAddress([]byte{1, 0})}
	p.geth.Prepare(p.rules, sender, coinbase, &dst, pre, list)
	p.ours.Prepare(p.rules, sender, coinbase, &dst, pre, list)
}

func (p *parity) finalise() {
	p.geth.Finalise(p.rules)
	p.ours.Finalise(p.rules)
	p.snaps = nil
}

func (p *parity) step() {
	op, addr := p.next(), parityAddress(p.next())
	for _, s := range []vm.StateDB{p.geth, p.ours} {
		rest := p.program
		p.apply(s, op, addr)
		if s == vm.StateDB(p.geth) {
			p.program = rest
		}
	}
	switch op % 24 {
	case 20:
		p.snaps = append(p.snaps, [2]int{p.geth.Snapshot(), p.ours.Snapshot()})
	case 21, 22:
		if n := len(p.snaps); n > 0 {
			i := int(p.next()) % n
			p.geth.RevertToSnapshot(p.snaps[i][0])
			p.ours.RevertToSnapshot(p.snaps[i][1])
			p.snaps = p.snaps[:i]
		}
	case 23:
		p.finalise()
		p.prepare()
	}
}

func (p *parity) apply(s vm.StateDB, op byte, addr common.Address) {
	const noReason = tracing.BalanceChangeUnspecified
	switch op % 24 {
	case 0, 1:
		s.AddBalance(addr, uint256.NewInt(uint64(p.next()%3)), noReason)
	case 2:
		amount := uint256.NewInt(uint64(p.next() % 3))
		if s.GetBalance(addr).Cmp(amount) >= 0 {
			s.SubBalance(addr, amount, noReason)
		}
	case 3:
		s.SetNonce(addr, uint64(p.next()%3), tracing.NonceChangeUnspecified)
	case 4:
		s.SetCode(addr, []byte{p.next(), 1}[:p.next()%3], tracing.CodeChangeUnspecified)
	case 5, 6, 7, 8:
		s.SetState(addr, p.word(), p.word())
	case 9:
		s.SetTransientState(addr, p.word(), p.word())
	case 10:
		if !s.Exist(addr) {
			s.CreateAccount(addr)
		}
		s.CreateContract(addr)
		s.SetNonce(addr, 1, tracing.NonceChangeNewContract) // as the EVM does
	case 11:
		// From Cancun on only what the transaction created may be destroyed.
		if !p.rules.IsCancun || s.IsNewContract(addr) && s.GetState(addr, common.Hash{31: 1}) == (common.Hash{}) {
			balance := s.GetBalance(addr)
			s.SubBalance(addr, balance, noReason)
			s.SelfDestruct(addr)
		}
	case 12:
		s.AddRefund(uint64(p.next()))
	case 13:
		s.SubRefund(s.GetRefund() / 2)
	case 14:
		s.AddLog(&types.Log{Address: addr, Topics: []common.Hash{p.word()}})
	case 15:
		s.AddAddressToAccessList(addr)
	case 16, 17:
		s.AddSlotToAccessList(addr, p.word())
	case 18:
		s.AddBalance(addr, new(uint256.Int), noReason)
	}
}

func (p *parity) compare() {
	p.t.Helper()
	if p.geth.GetRefund() != p.ours.GetRefund() {
		p.t.Fatalf("refund: geth %d, ours %d", p.geth.GetRefund(), p.ours.GetRefund())
	}
	if g := len(p.geth.Logs()); p.snaps == nil && g < len(p.ours.logs) {
		p.t.Fatalf("logs: geth %d, ours %d", g, len(p.ours.logs))
	}
	for b := range byte(8) {
		p.compareAccount(parityAddress(b))
	}
}

func (p *parity) compareAccount(addr common.Address) {
	p.t.Helper()
	equal := func(what string, geth, ours any) {
		p.t.Helper()
		if geth != ours {
			p.t.Fatalf("%s of %x: geth %v, ours %v", what, addr, geth, ours)
		}
	}
	g, o := vm.StateDB(p.geth), vm.StateDB(p.ours)
	equal("Exist", g.Exist(addr), o.Exist(addr))
	equal("Empty", g.Empty(addr), o.Empty(addr))
	equal("GetBalance", *g.GetBalance(addr), *o.GetBalance(addr))
	equal("GetNonce", g.GetNonce(addr), o.GetNonce(addr))
	equal("GetCodeHash", g.GetCodeHash(addr), o.GetCodeHash(addr))
	equal("GetCode", string(g.GetCode(addr)), string(o.GetCode(addr)))
	equal("GetCodeSize", g.GetCodeSize(addr), o.GetCodeSize(addr))
	equal("HasSelfDestructed", g.HasSelfDestructed(addr), o.HasSelfDestructed(addr))
	equal("IsNewContract", g.IsNewContract(addr), o.IsNewContract(addr))
	if p.rules.IsEIP2929 {
		equal("AddressInAccessList", g.AddressInAccessList(addr), o.AddressInAccessList(addr))
	}
	for i := range byte(4) {
		key := common.Hash{31: i}
		gv, gc := g.GetStateAndCommittedState(addr, key)
		ov, oc := o.GetStateAndCommittedState(addr, key)
		equal("GetStateAndCommittedState", [2]common.Hash{gv, gc}, [2]common.Hash{ov, oc})
		equal("GetState", g.GetState(addr, key), o.GetState(addr, key))
		equal("GetTransientState", g.GetTransientState(addr, key), o.GetTransientState(addr, key))
		if p.rules.IsEIP2929 {
			ga, gs := g.SlotInAccessList(addr, key)
			oa, os := o.SlotInAccessList(addr, key)
			equal("SlotInAccessList", [2]bool{ga, gs}, [2]bool{oa, os})
		}
	}
}

// TestStateDBAllocates: a transaction on a state that knows what it touches, and has
// run one before, allocates nothing.
func TestStateDBAllocates(t *testing.T) {
	addr, key, payee := common.Address{1}, common.Hash{2}, common.Address{3}
	_, reader := newGethState(t, func(s *state.StateDB) {
		s.SetBalance(addr, uint256.NewInt(1e9), tracing.BalanceChangeUnspecified)
		s.SetCode(addr, []byte{1, 2, 3}, tracing.CodeChangeUnspecified)
		s.SetState(addr, key, common.Hash{31: 1})
	})
	m := newMemory()
	m.reset(common.Hash{}, reader)
	for _, speculative := range []bool{false, true} {
		s, n := newTxState(m), byte(0)
		if speculative {
			s.guess = &guess{memory: m}
		}
		transaction := func() {
			n++
			s.Prepare(parityRules[3], payee, common.Address{4}, &addr, nil, nil)
			_ = s.GetNonce(payee)
			s.SetNonce(payee, uint64(n), tracing.NonceChangeUnspecified)
			at := s.Snapshot()
			s.SubBalance(addr, s.GetBalance(addr), tracing.BalanceChangeTransfer)
			s.AddBalance(payee, uint256.NewInt(7), tracing.BalanceChangeTransfer)
			s.AddAddressToAccessList(payee)
			s.AddSlotToAccessList(addr, key)
			_, _ = s.SlotInAccessList(addr, key)
			_, _ = s.GetCodeHash(addr), s.GetCodeSize(addr)
			_ = s.GetCode(addr)
			_ = s.Exist(payee) && s.Empty(payee)
			_, _ = s.GetStateAndCommittedState(addr, key)
			s.SetState(addr, key, common.Hash{n})
			s.AddRefund(1)
			s.RevertToSnapshot(at)
			s.SetState(addr, key, common.Hash{30: n, 31: 1})
			s.reset()
		}
		if allocs := testing.AllocsPerRun(50, transaction); allocs > 0 {
			t.Errorf("speculative %v: %v allocations a transaction", speculative, allocs)
		}
	}
}
