package executor

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/oracle"
)

// dice makes choices: a number below n.
type dice func(n int) int

func roll[T any](d dice, list ...T) T { return list[d(len(list))] }

// bytesDice takes its choices from data, and the first one when that is used up.
func bytesDice(data []byte) dice {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b) % n
	}
}

func randomBytes(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 6))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// transferCases is how many random transfers TestTransferParity tries.
func transferCases() int {
	if testing.Short() {
		return 20_000
	}
	return 1_000_000
}

// transferRules are the rules between which a plain transfer differs.
func transferRules() []*params.ChainConfig {
	var list []*params.ChainConfig
	for timed := range 5 {
		c := *params.AllEthashProtocolChanges
		c.TerminalTotalDifficulty = common.Big0
		c.BlobScheduleConfig = params.DefaultBlobSchedule
		zero := uint64(0)
		for i, at := range []**uint64{&c.ShanghaiTime, &c.CancunTime, &c.PragueTime, &c.OsakaTime} {
			if *at = nil; i < timed {
				*at = &zero
			}
		}
		list = append(list, &c)
	}
	berlin := *list[0]
	berlin.LondonBlock, berlin.ArrowGlacierBlock, berlin.GrayGlacierBlock = nil, nil, nil
	spurious := berlin
	spurious.ByzantiumBlock, spurious.ConstantinopleBlock, spurious.PetersburgBlock = nil, nil, nil
	spurious.IstanbulBlock, spurious.MuirGlacierBlock, spurious.BerlinBlock = nil, nil, nil
	tangerine := spurious
	tangerine.EIP155Block, tangerine.EIP158Block = nil, nil
	frontier := tangerine
	frontier.HomesteadBlock, frontier.EIP150Block, frontier.DAOForkBlock = nil, nil, nil
	return append(list, &berlin, &spurious, &tangerine, &frontier)
}

// transferBench runs the same message by the fast path and by core.ApplyMessage,
// each on a block of its own with the same accounts.
type transferBench struct {
	fast, plain *block
	addrs       []common.Address
	codes       []*code
	fastRuns    int
}

func newTransferBench(config *params.ChainConfig, coinbase common.Address, baseFee int64) *transferBench {
	header := &types.Header{
		Number: big.NewInt(5), GasLimit: 60_000_000, Time: 1000, Coinbase: coinbase,
		Difficulty: new(big.Int), BaseFee: big.NewInt(baseFee),
	}
	if config.CancunTime != nil {
		header.ExcessBlobGas = new(uint64)
	}
	if !config.IsLondon(header.Number) {
		header.BaseFee = nil
	}
	if config.ShanghaiTime == nil {
		header.Difficulty = big.NewInt(1)
	}
	env := Env{
		Config: config, Header: header, Parent: &types.Header{Number: big.NewInt(4)}, State: oracle.NewMemory(),
		BlockHash: func(uint64) common.Hash { return common.Hash{} },
	}
	run := func() *block {
		m := newMemory()
		m.reset(common.Hash{}, env.State)
		return open(env, newLane(m), func() {})
	}
	b := &transferBench{fast: run(), plain: run()}
	b.fast.fast = true
	for i := range 6 {
		b.addrs = append(b.addrs, common.Address{0xaa, byte(i)})
	}
	b.addrs = append(b.addrs, common.BytesToAddress([]byte{3}), common.BytesToAddress([]byte{1, 0}), common.BytesToAddress([]byte{0x77, 0x77}), coinbase)
	delegation := types.AddressToDelegation(b.addrs[0])
	for _, blob := range [][]byte{{0x00}, {0xfe}, delegation} {
		b.codes = append(b.codes, newCode(crypto.Keccak256Hash(blob), blob))
	}
	return b
}

// try makes up accounts and a message, runs it both ways and compares all that
// either leaves behind.
func (b *transferBench) try(d dice) error {
	tx := b.draw(d)
	gas := roll(d, 60_000_000, 60_000_000, 60_000_000, tx.Gas(), tx.Gas()-1, 21_000)
	*b.fast.pool, *b.plain.pool = *core.NewGasPool(gas), *core.NewGasPool(gas)
	var got, want types.Receipt
	transferred := b.fast.transferable(tx)
	gotErr, wantErr := b.fast.apply(tx, &got), b.plain.apply(tx, &want)
	b.fast.state.reset()
	b.plain.state.reset()
	if transferred {
		b.fastRuns++
	}
	if w, g := fmt.Sprint(wantErr), fmt.Sprint(gotErr); w != g {
		return fmt.Errorf("error: want %s, got %s", w, g)
	}
	if *b.fast.pool != *b.plain.pool {
		return fmt.Errorf("gas pool: want %v, got %v", b.plain.pool, b.fast.pool)
	}
	if wantErr == nil {
		if err := oracle.CompareReceipts(types.Receipts{&want}, types.Receipts{&got}); err != nil {
			return err
		}
		if got.EffectiveGasPrice.Cmp(want.EffectiveGasPrice) != 0 {
			return fmt.Errorf("gas price: want %v, got %v", want.EffectiveGasPrice, got.EffectiveGasPrice)
		}
	}
	for _, addr := range b.addrs {
		w, g := b.plain.value(addr), b.fast.value(addr)
		if w.nonce != g.nonce || w.balance != g.balance || w.exists != g.exists || !sameCode(w.code, g.code) {
			return fmt.Errorf("account %x: want %+v, got %+v", addr, w, g)
		}
	}
	return nil
}

// transferable reports whether the fast path takes tx. It leaves no trace.
func (b *block) transferable(tx *motet.Tx) bool {
	defer b.state.reset()
	b.budget = b.pool
	return b.transfer(b, tx)
}

// value returns the committed account.
func (b *block) value(addr common.Address) accountValue {
	return b.cell(addr).cell.Committed().Value
}

func (b *block) cell(addr common.Address) *accountEntry {
	e, err := b.memory.account(&addr, b.memory.seeds.address(&addr))
	if err != nil {
		panic(err) // the state in memory gives none
	}
	return e
}

// draw sets all accounts anew and makes up a message whose sender owns about
// what it needs.
func (b *transferBench) draw(d dice) *motet.Tx {
	var (
		from    = b.addrs[d(len(b.addrs))]
		to      = b.addrs[d(len(b.addrs))]
		gas     = roll[uint64](d, 21_000, 21_000, 21_000, 21_000, 21_001, 50_000, 50_000, params.MaxTxGas, params.MaxTxGas+1, 20_999)
		base    = b.fast.baseFee.Uint64()
		tip     = roll[uint64](d, 0, 0, 1, 2, base)
		cap     = new(big.Int).SetUint64(base + roll[uint64](d, tip, tip, 0, 1, 5, 1<<40))
		value   = roll(d, new(big.Int), common.Big1, big.NewInt(1e9), big.NewInt(1e18), new(big.Int).Lsh(common.Big1, 200))
		nonce   = roll[uint64](d, 0, 0, 1, 7, 7)
		tipCap  = new(big.Int).SetUint64(tip)
		data    []byte
		list    types.AccessList
		payload types.TxData
	)
	if d(16) == 15 {
		cap = roll(d, new(big.Int), new(big.Int).Lsh(common.Big1, 200), new(big.Int).Lsh(common.Big1, 256))
	}
	switch d(32) { // numbers that hardly fit, or do not
	case 29:
		gas = math.MaxUint64
	case 30:
		value = roll(d, new(big.Int).Lsh(common.Big1, 255), new(big.Int).Lsh(common.Big1, 256))
	case 31:
		nonce = math.MaxUint64
	}
	if d(16) == 15 {
		data = []byte{1}
	}
	if d(16) == 15 {
		list = types.AccessList{{Address: to}}
	}
	target := &to
	if d(32) == 31 {
		target = nil
	}
	switch d(4) {
	case 0:
		payload = &types.LegacyTx{Nonce: nonce, GasPrice: cap, Gas: gas, To: target, Value: value, Data: data}
	case 1:
		payload = &types.AccessListTx{Nonce: nonce, GasPrice: cap, Gas: gas, To: target, Value: value, Data: data, AccessList: list}
	default:
		payload = &types.DynamicFeeTx{Nonce: nonce, GasFeeCap: cap, GasTipCap: tipCap, Gas: gas, To: target, Value: value, Data: data, AccessList: list}
	}
	need := new(big.Int).Mul(cap, new(big.Int).SetUint64(gas))
	need.Add(need, value)
	for _, addr := range b.addrs {
		v := accountValue{nonce: roll[uint64](d, 0, 1, 7)}
		v.balance.SetUint64(roll[uint64](d, 0, 0, 1, 1e18))
		if d(8) == 7 {
			v.code = b.codes[d(len(b.codes))]
		}
		if addr == from {
			v.nonce = roll(d, nonce, nonce, nonce, nonce, nonce, nonce, nonce+1, nonce-1)
			v.balance = *about(d, need)
			if d(12) > 0 {
				v.code = nil
			}
		}
		v.exists = !v.empty() || d(2) == 0
		for _, side := range []*block{b.fast, b.plain} {
			side.memory.setAccount(side.cell(addr), &v)
		}
	}
	return motet.NewTx(types.NewTx(payload), from)
}

// about returns need, a wei less, one more, plenty, or nothing.
func about(d dice, need *big.Int) *uint256.Int {
	v, overflow := uint256.FromBig(need)
	if overflow {
		return new(uint256.Int).SetAllOne()
	}
	switch d(10) {
	case 0:
		v.SubUint64(v, 1) // of nothing: all there can be
	case 1:
		v.AddUint64(v, 1)
	case 2:
		v.Clear()
	case 3, 4, 5:
		v.AddUint64(v, 1e18)
	}
	return v
}

func transferBenches() []*transferBench {
	var list []*transferBench
	for _, config := range transferRules() {
		for i, coinbase := range []common.Address{{0xc0}, {0xaa, 1}, {0xaa, 2}} {
			list = append(list, newTransferBench(config, coinbase, []int64{7, 0, params.GWei}[i]))
		}
	}
	return list
}

// TestTransferParity compares the fast path of plain transfers with
// core.ApplyMessage on random messages around everything that it tests.
func TestTransferParity(t *testing.T) {
	n := transferCases()
	benches := transferBenches()
	rng := rand.New(rand.NewPCG(uint64(n), 5))
	fast := 0
	for i := range n {
		b := benches[i%len(benches)]
		if err := b.try(rng.IntN); err != nil {
			t.Fatalf("case %d of %d: %v", i, n, err)
		}
	}
	for _, b := range benches {
		fast += b.fastRuns
	}
	t.Logf("%d of %d messages took the fast path", fast, n)
	if fast < n/10 {
		t.Error("hardly any message took the fast path")
	}
}

func FuzzTransfer(f *testing.F) {
	benches := transferBenches()
	for i := range benches {
		f.Add(uint8(i), randomBytes(uint64(i), 80))
	}
	f.Fuzz(func(t *testing.T, bench uint8, data []byte) {
		b := benches[int(bench)%len(benches)]
		if err := b.try(bytesDice(data)); err != nil {
			t.Fatal(err)
		}
	})
}
