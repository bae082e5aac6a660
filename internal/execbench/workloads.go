package execbench

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// builder fills an empty block. An error that wraps errMissing says that
// something is not there that is no part of the program.
type builder func(s *scenario) error

var errMissing = errors.New("not there")

// workload is a way to make up a block.
type workload struct {
	name     string
	building bool
	build    builder
}

// workloads returns all workloads in the order of reports.
func workloads() []workload {
	return []workload{
		{name: "transfers", build: transfers(distinct)},
		{name: "transfers-hot-recipient", build: transfers(toOne)},
		{name: "transfers-one-sender", build: transfers(fromOne)},
		{name: "transfers-chain", build: transfers(chained)},
		{name: "erc20", build: tokens(distinct)},
		{name: "erc20-hot", build: tokens(toOne)},
		{name: "erc20-chain", build: tokens(chained)},
		{name: "erc20-mixed", build: tokens(mixed)},
		{name: "erc20-rows", build: tokens(inRows)},
		{name: "uniswap", build: uniswap(0, 1)},
		{name: "uniswap-one-pool", build: uniswap(1, 1)},
		{name: "uniswap-100-pools", build: uniswap(100, 64)},
		{name: "amm", build: swaps(0, 1)},
		{name: "amm-one-pool", build: swaps(1, 1)},
		{name: "amm-100-pools", build: swaps(100, 1)},
		{name: "amm-rows", build: swaps(100, 64)},
		{name: "amm-rows-declared", build: declaredSwaps(100, 64)},
		{name: "conflict-bomb", build: bombs},
		{name: "transfers-lookalikes", build: transfers(lookalikes)},
		{name: "coinbase-readers", build: coinbaseReaders},
		{name: "late-readers", build: lateReaders},
		{name: "churn", build: churn},
		{name: "delegations", build: delegations},
		{name: "half-invalid", building: true, build: halfInvalid},
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
func inRows(i, _ int) (from, to common.Address)   { return address("from", i), address("to", i/64) }
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

func transfers(choose pairs) builder {
	return func(s *scenario) error {
		n := int(s.gas / params.TxGas)
		for i := range n {
			from, to := choose(i, n)
			s.add(call{from: s.fund(from), to: s.fund(to), value: 1, gas: params.TxGas})
		}
		return nil
	}
}

// halfInvalid alternates transfers with transactions that cannot be included:
// nonce too high, funds short, nonce too low.
func halfInvalid(s *scenario) error {
	n := int(s.gas / params.TxGas)
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
	return nil
}
