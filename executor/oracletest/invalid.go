package oracletest

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// invalid offers a transaction that cannot be included, for one reason.
func (g *generator) invalid() error {
	d := g.transfer()
	switch g.c.n(13) {
	case 0:
		d.nonce++
	case 1:
		d.nonce += 1000
	case 2:
		if d.nonce == 0 {
			return g.submit(d)
		}
		d.nonce--
	case 3:
		d.value = new(big.Int).Lsh(common.Big1, 200)
	case 4:
		d.gas = params.TxGas - 1
	case 5:
		d.gas = params.MaxTxGas + 1 // from Osaka on; a large one before
	case 6:
		d.from = pick(g.c, g.w.knives) // has code
		d.nonce = g.db.GetNonce(d.from)
	case 7:
		d.cap = new(big.Int).Sub(d.cap, new(big.Int).Add(d.tip, common.Big1)) // below the base fee
		if d.cap.Sign() < 0 {
			d.cap = new(big.Int)
		}
	case 8:
		if g.rules.IsLondon {
			d.typ, d.tip = types.DynamicFeeTxType, new(big.Int).Add(d.cap, common.Big1)
		}
	case 9:
		if g.rules.IsLondon {
			d.typ, d.cap = types.DynamicFeeTxType, new(big.Int).Lsh(common.Big1, 256)
		}
	case 10:
		d.data = make([]byte, 600) // costs more than the gas given, or its floor does
		for i := range d.data {
			d.data[i] = 1
		}
		d.gas = params.TxGas + uint64(pick(g.c, []int{600, 9600, 12_000}))
	case 11:
		d.to, d.data, d.gas = nil, make([]byte, params.MaxInitCodeSize+1), 900_000
	default:
		d.from = pick(g.c, g.w.poor)
		d.nonce = g.db.GetNonce(d.from)
	}
	return g.submit(d)
}

// edgeOfFunds has a poor sender spend one wei more than it has, exactly what it
// has, or one less, right after it was paid for that; the payment may be
// invalid itself.
func (g *generator) edgeOfFunds() error {
	var (
		from  = pick(g.c, g.w.poor)
		spend = g.transfer()
	)
	spend.from, spend.nonce = from, g.db.GetNonce(from)
	need := new(big.Int).Mul(spend.cap, new(big.Int).SetUint64(spend.gas))
	if spend.value.BitLen() > 40 {
		spend.value = common.Big1
	}
	need.Add(need, spend.value)
	need.Add(need, big.NewInt(int64(g.c.n(3)-1)))
	if missing := need.Sub(need, g.db.GetBalance(from).ToBig()); missing.Sign() > 0 {
		pay := g.draft()
		pay.to, pay.value = &from, missing
		pay.gas += pay.extra() + 100_000
		if g.c.one(4) {
			pay.nonce++
		}
		if err := g.submit(pay); err != nil || g.block.cut >= 0 {
			return err
		}
	}
	return g.submit(spend)
}

// nonceCascade offers a run of transactions of one sender, the first of which
// may be skipped, so that the others wait for it.
func (g *generator) nonceCascade() error {
	first := g.transfer()
	if g.c.one(2) {
		first.value = new(big.Int).Lsh(common.Big1, 200)
	}
	for i := range 2 + g.c.n(4) {
		d := g.transfer()
		d.from, d.nonce = first.from, first.nonce+uint64(i)
		if i == 0 {
			d = first
		}
		if err := g.submit(d); err != nil || g.block.cut >= 0 {
			return err
		}
	}
	return nil
}
