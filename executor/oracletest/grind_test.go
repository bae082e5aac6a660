package oracletest

import (
	"encoding/binary"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet/executor"
)

// deploy creates a contract that runs code, which is short.
func (m *made) deploy(g *generator, code []byte) common.Address {
	m.t.Helper()
	const prefix = 10
	d := m.pay(g, m.w.eoas[9], common.Address{}, common.Big0, append([]byte{
		byte(vm.PUSH1), byte(len(code)), byte(vm.DUP1), byte(vm.PUSH1), prefix, byte(vm.PUSH0), byte(vm.CODECOPY),
		byte(vm.PUSH0), byte(vm.RETURN), byte(vm.STOP),
	}, code...)...)
	d.to, d.gas = nil, d.gas+params.CreateGas
	at := crypto.CreateAddress(d.from, d.nonce)
	m.submit(g, d)
	if g.db.GetCodeSize(at) != len(code) {
		m.t.Fatal("the contract is not there")
	}
	return at
}

// TestGasCap has a transaction burn nearly all of the gas that one may have (EIP-7825) and
// read late what all the others write, before, after and amid them. One with more gas is
// left out, whatever it does.
func TestGasCap(t *testing.T) {
	const others, hot = 150, 12
	m := newMade(t, forks()[0])
	var burner common.Address
	m.block(slicesChoice(0), func(g *generator) {
		// MCOPY(0, 0, 8192) while more than 500000 gas is left
		burner = m.deploy(g, common.FromHex("5b"+"6120005f5f5e"+"5a6207a12010"+"5f57"+"00"))
	})
	late := append(sized(append([]byte{opStatic}, burner[:]...), nil), opLoadRun, hot, opSave, 99, opLog)
	for _, at := range []int{0, others / 2, others} {
		b := m.block(slicesChoice(0), func(g *generator) {
			for i := range others + 1 {
				if i == at {
					// The plain one comes first: a block that holds the large one has no room for it.
					plain := m.pay(g, m.w.eoas[7], stranger(1), common.Big1)
					plain.gas = params.MaxTxGas + 1
					m.submit(g, plain)
					for _, over := range []uint64{1, 0} {
						d := m.pay(g, m.w.eoas[8], m.w.knives[2], common.Big0, late...)
						d.gas = params.MaxTxGas + over
						m.submit(g, d)
					}
				}
				if i < others {
					m.submit(g, m.pay(g, m.w.eoas[i%7], m.w.knives[2], common.Big0, opIncrement, byte(i%hot)))
				}
			}
		})
		if r := b.receipts[at]; r.Status != types.ReceiptStatusSuccessful || r.GasUsed < params.MaxTxGas*9/10 || len(b.included) != others+1 {
			t.Fatalf("%d included; status %d with %d gas", len(b.included), r.Status, r.GasUsed)
		}
		if len(b.skipped) != 2 {
			t.Fatalf("want 2 skipped, got %+v", b.skipped)
		}
		for _, s := range b.skipped {
			if s.Verdict != executor.Drop || !errors.Is(s.Err, core.ErrGasLimitTooHigh) {
				t.Errorf("a transaction of %d gas: %v", s.Tx.Gas(), s.Err)
			}
		}
	}
}

// ground is an address that differs from the others little and in one place.
func ground(i int) common.Address {
	a := common.Address{0xee, 0x40, 0x80, 19: 0xee}
	switch n := uint16(i / 3); i % 3 {
	case 0: // after a long prefix
		binary.BigEndian.PutUint16(a[18:], n)
	case 1: // before a long suffix
		binary.BigEndian.PutUint16(a[1:], n)
	default: // in one bit
		a[3+n%128/8] ^= 1 << (n % 8)
	}
	return a
}

// TestGroundAddresses moves money along accounts whose addresses look alike, with a slot of
// a contract for each that looks like the others' as well.
func TestGroundAddresses(t *testing.T) {
	const n = 180
	m := newMade(t, forks()[0])
	var table common.Address
	m.block(slicesChoice(0), func(g *generator) {
		table = m.deploy(g, common.FromHex("5f3554600101"+"5f3555"+"00")) // counts in the slot that the calldata names
		for i := range n {
			m.submit(g, m.pay(g, m.w.eoas[i%10], ground(i), big.NewInt(params.Ether)))
		}
	})
	b := m.block(slicesChoice(1), func(g *generator) {
		for i := range n {
			from, to := ground(i), ground((i+i%2*3+1)%n)
			key := new(big.Int).Lsh(big.NewInt(int64(i/6)), uint(64*(i%4)))
			m.submit(g, m.pay(g, from, to, big.NewInt(int64(i))))
			m.submit(g, m.pay(g, from, table, common.Big0, common.BigToHash(key).Bytes()...))
		}
	})
	if len(b.included) != 2*n {
		t.Errorf("%d included, skipped %+v", len(b.included), b.skipped)
	}
}
