package execbench

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// workload is a way to make up a block.
type workload struct {
	name     string
	building bool
	// chain returns how many of n transactions form the longest chain in which
	// each needs what the one before it wrote. Credits and debits that nobody
	// reads, and the nonces of one sender's transactions, count for nothing.
	chain func(n int) int
	build func(gas uint64) *scenario
	// missing says why the workload cannot be built.
	missing string
}

func independent(int) int { return 1 }
func entire(n int) int    { return n }

const noUniswap = "the bytecode of Uniswap v3 is not part of this program; amm workloads have the same shapes"

// workloads returns all workloads in the order of reports.
func workloads() []workload {
	return []workload{
		{name: "transfers", chain: independent, build: transfers(distinct)},
		{name: "transfers-hot-recipient", chain: independent, build: transfers(toOne)},
		{name: "transfers-one-sender", chain: independent, build: transfers(fromOne)},
		{name: "transfers-chain", chain: independent, build: transfers(chained)},
		{name: "erc20", chain: independent, build: tokens(distinct)},
		{name: "erc20-hot", chain: entire, build: tokens(toOne)},
		{name: "erc20-chain", chain: entire, build: tokens(chained)},
		{name: "erc20-mixed", chain: mixedChain, build: tokens(mixed)},
		{name: "uniswap", missing: noUniswap},
		{name: "uniswap-one-pool", missing: noUniswap},
		{name: "uniswap-100-pools", missing: noUniswap},
		{name: "amm", chain: independent, build: func(gas uint64) *scenario { return swaps(gas, int(gas/swapGas)) }},
		{name: "amm-one-pool", chain: entire, build: func(gas uint64) *scenario { return swaps(gas, 1) }},
		{name: "amm-100-pools", chain: func(n int) int { return (n + 99) / 100 }, build: func(gas uint64) *scenario { return swaps(gas, 100) }},
		{name: "conflict-bomb", chain: entire, build: bombs},
		{name: "half-invalid", building: true, chain: independent, build: halfInvalid},
	}
}

func find(name string) (workload, bool) {
	for _, w := range workloads() {
		if w.name == name {
			return w, true
		}
	}
	return workload{}, false
}

// pairs chooses who pays whom in transaction i of n.
type pairs func(i, n int) (from, to common.Address)

func distinct(i, _ int) (from, to common.Address) { return address("from", i), address("to", i) }
func toOne(i, _ int) (from, to common.Address)    { return address("from", i), address("to", 0) }
func fromOne(i, _ int) (from, to common.Address)  { return address("from", 0), address("to", i) }
func chained(i, _ int) (from, to common.Address)  { return address("from", i), address("from", i+1) }

// mixed pays among a quarter as many accounts as there are transactions, a
// tenth of them far more often than the others.
func mixed(i, n int) (from, to common.Address) {
	// The multipliers are odd primes: the choice is spread out and repeatable.
	accounts := max(2, n/4)
	a, b := (i*7919+13)%accounts, (i*104729+7)%accounts
	if i%3 == 0 {
		b %= max(1, accounts/10)
	}
	if a == b {
		b = (b + 1) % accounts
	}
	return address("from", a), address("from", b)
}

// mixedChain follows the chains through accounts that mixed makes.
func mixedChain(n int) int {
	depth, longest := make(map[common.Address]int), 0
	for i := range n {
		from, to := mixed(i, n)
		d := max(depth[from], depth[to]) + 1
		depth[from], depth[to], longest = d, d, max(longest, d)
	}
	return longest
}

func transfers(choose pairs) func(gas uint64) *scenario {
	return func(gas uint64) *scenario {
		s, n := newScenario(gas), int(gas/params.TxGas)
		for i := range n {
			from, to := choose(i, n)
			s.add(call{from: s.fund(from), to: s.fund(to), value: 1, gas: params.TxGas})
		}
		return s
	}
}

// halfInvalid alternates transfers with transactions that cannot be included:
// nonce too high, funds short, nonce too low.
func halfInvalid(gas uint64) *scenario {
	s, n := newScenario(gas), int(gas/params.TxGas)
	for i := range n {
		from, to := distinct(i, n)
		good := call{from: s.fund(from), to: s.fund(to), value: 1, gas: params.TxGas}
		s.add(good)
		bad := good
		switch i % 3 {
		case 0:
			s.addAt(bad, 5)
		case 1:
			bad.from = address("poor", i)
			s.addAt(bad, 0)
		default:
			s.addAt(bad, 0)
		}
	}
	return s
}
