package oracletest

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// draft is a transaction in the making, of any type.
type draft struct {
	from  common.Address
	typ   byte
	nonce uint64
	cap   *big.Int // fee cap, or gas price
	tip   *big.Int
	gas   uint64
	to    *common.Address
	value *big.Int
	data  []byte
	list  types.AccessList
	auths []types.SetCodeAuthorization

	blobs   []common.Hash
	blobCap uint64
}

// step offers one transaction, or a few that belong together.
func (g *generator) step() error {
	switch g.c.n(20) {
	case 0, 1, 2:
		return g.submit(g.transfer())
	case 3:
		return g.creation()
	case 4:
		return g.delegation()
	case 5:
		return g.hotCounter()
	case 6:
		return g.invalid()
	case 7:
		return g.edgeOfFunds()
	case 8:
		return g.nonceCascade()
	case 9:
		return g.rebirth()
	case 10:
		return g.flip()
	case 11:
		return g.assembled()
	case 12:
		return g.submit(g.blobs())
	default:
		return g.submit(g.program())
	}
}

// draft starts a transaction of a rich sender, valid as far as it goes.
func (g *generator) draft() *draft {
	d := &draft{from: pick(g.c, g.w.eoas), gas: params.TxGas, value: new(big.Int)}
	d.nonce = g.db.GetNonce(d.from)
	fees := g.block.env.Header.BaseFee
	if fees == nil {
		fees = common.Big1
	}
	d.tip = big.NewInt(int64(g.c.n(4)))
	d.cap = new(big.Int).Add(fees, d.tip)
	types := []byte{types.LegacyTxType}
	if g.rules.IsBerlin {
		types = append(types, 1)
	}
	if g.rules.IsLondon {
		types = append(types, 2, 2)
	}
	if d.typ = pick(g.c, types); d.typ > 0 && g.c.one(3) {
		d.list = append(d.list, accessTo(g.target(), g.slot()))
	}
	if d.typ == 2 && g.c.one(2) {
		d.cap.Add(d.cap, big.NewInt(int64(g.c.n(9))))
	}
	return d
}

func accessTo(addr common.Address, slot byte) types.AccessTuple {
	return types.AccessTuple{Address: addr, StorageKeys: []common.Hash{{31: slot}}}
}

// extra is the intrinsic gas beyond that of a plain transfer, rounded up.
func (d *draft) extra() uint64 {
	return uint64(len(d.data))*40 + uint64(len(d.list))*4300 + uint64(len(d.auths))*params.CallNewAccountGas
}

// forState is gas for new accounts, slots and code, which takes the larger part of a
// transaction's from Amsterdam on (EIP-8037).
func (g *generator) forState() uint64 {
	if !g.rules.IsAmsterdam {
		return 0
	}
	return pick(g.c, []uint64{8_000_000, 3_000_000, 200_000, 0})
}

// transfer pays somebody, often with no gas to spare.
func (g *generator) transfer() *draft {
	d := g.draft()
	to := g.target()
	if g.c.one(6) {
		to = d.from
	}
	d.to, d.value = &to, big.NewInt(int64(pick(g.c, []int{1, 0, 1_000_000, params.Ether})))
	d.gas += uint64(len(d.list)) * 4300
	if g.c.one(2) {
		d.gas += uint64(pick(g.c, []int{2300, 50_000, 200_000}))
	}
	return d
}

// blobs is a transaction that carries blobs, not always valid ones.
func (g *generator) blobs() *draft {
	d := g.transfer()
	if g.c.one(2) {
		d = g.program()
	}
	if !g.rules.IsCancun {
		return d
	}
	d.typ = types.BlobTxType
	d.blobCap = pick(g.c, []uint64{1000, 1000, 1, 0})
	for range pick(g.c, []int{1, 1, 2, 6, 7, 0}) {
		hash := common.Hash{0: 1, 31: g.c.byte()}
		if g.c.one(20) {
			hash[0] = 0
		}
		d.blobs = append(d.blobs, hash)
	}
	return d
}

// program calls a knife, or whatever else may be one.
func (g *generator) program() *draft {
	d := g.draft()
	to := pick(g.c, g.w.knives)
	if g.c.one(3) {
		to = g.target()
	}
	g.self = to
	d.to, d.value, d.data = &to, big.NewInt(int64(g.smallValue())), g.script(maxDepth)
	d.gas += d.extra() + uint64(pick(g.c, []int{2_000_000, 1_000_000, 1_000_000, 300_000, 100_000, 40_000, 5_000})) + g.forState()
	return d
}

func (g *generator) creation() error {
	d := g.draft()
	d.value, d.data = big.NewInt(int64(g.smallValue())), g.initcode(2)
	d.gas = params.TxGasContractCreation + d.extra() + uint64(len(d.list))*4300 + uint64(pick(g.c, []int{1_000_000, 400_000, 50_000})) + g.forState()
	return g.submit(d)
}

// hotCounter has several senders change the same slot one after the other.
func (g *generator) hotCounter() error {
	to, slot := pick(g.c, g.w.knives), g.slot()
	for range 2 + g.c.n(6) {
		d := g.draft()
		d.to, d.data = &to, []byte{opIncrement, slot, opLoad, slot, opLog}
		d.gas += d.extra() + 100_000 + g.forState()
		if err := g.submit(d); err != nil || g.block.cut >= 0 {
			return err
		}
	}
	return nil
}

// delegation is an EIP-7702 transaction; authorizations may be of the sender
// itself, repeated, outdated or forged.
func (g *generator) delegation() error {
	if !g.rules.IsPrague {
		return g.submit(g.transfer())
	}
	d := g.draft()
	d.typ = types.SetCodeTxType
	to := g.target()
	g.self = to
	d.to, d.data = &to, g.script(1)
	for range 1 + g.c.n(3) {
		auth, err := g.authorization(d)
		if err != nil {
			return err
		}
		d.auths = append(d.auths, auth)
	}
	d.gas += d.extra() + 300_000 + g.forState()
	return g.submit(d)
}

func (g *generator) authorization(d *draft) (types.SetCodeAuthorization, error) {
	i := g.c.n(len(g.w.keys))
	authority := append(append([]common.Address{}, g.w.eoas...), g.w.poor...)[i]
	auth := types.SetCodeAuthorization{
		ChainID: *uint256.NewInt(pick(g.c, []uint64{chainID, chainID, 0, 5})),
		Address: pick(g.c, []common.Address{g.w.knives[0], g.target(), {}}),
		Nonce:   g.db.GetNonce(authority),
	}
	if authority == d.from {
		auth.Nonce++
	}
	if g.c.one(6) {
		auth.Nonce++
	}
	signed, err := types.SignSetCode(g.w.keys[i], auth)
	if err == nil && g.c.one(12) {
		signed.V = 7
	}
	return signed, err
}

func (g *generator) submit(d *draft) error { return g.offer(g.sign(d)) }

// sign makes the transaction. Nobody checks signatures here, so the place of
// one holds a number that makes the hash unique.
func (g *generator) sign(d *draft) *motet.Tx {
	g.w.nonce++
	mark := new(big.Int).SetUint64(g.w.nonce)
	id := big.NewInt(chainID)
	var data types.TxData
	switch d.typ {
	case types.AccessListTxType:
		data = &types.AccessListTx{ChainID: id, Nonce: d.nonce, GasPrice: d.cap, Gas: d.gas, To: d.to, Value: d.value, Data: d.data, AccessList: d.list, V: common.Big0, R: mark, S: common.Big1}
	case types.DynamicFeeTxType:
		data = &types.DynamicFeeTx{ChainID: id, Nonce: d.nonce, GasTipCap: d.tip, GasFeeCap: d.cap, Gas: d.gas, To: d.to, Value: d.value, Data: d.data, AccessList: d.list, V: common.Big0, R: mark, S: common.Big1}
	case types.BlobTxType:
		data = &types.BlobTx{ChainID: uint256.NewInt(chainID), Nonce: d.nonce, GasTipCap: uint256.MustFromBig(d.tip), GasFeeCap: uint256.MustFromBig(d.cap), Gas: d.gas, To: *d.to, Value: uint256.MustFromBig(d.value), Data: d.data, AccessList: d.list, BlobFeeCap: uint256.NewInt(d.blobCap), BlobHashes: d.blobs, V: new(uint256.Int), R: uint256.MustFromBig(mark), S: uint256.NewInt(1)}
	case types.SetCodeTxType:
		data = &types.SetCodeTx{ChainID: uint256.NewInt(chainID), Nonce: d.nonce, GasTipCap: uint256.MustFromBig(d.tip), GasFeeCap: uint256.MustFromBig(d.cap), Gas: d.gas, To: *d.to, Value: uint256.MustFromBig(d.value), Data: d.data, AccessList: d.list, AuthList: d.auths, V: new(uint256.Int), R: uint256.MustFromBig(mark), S: uint256.NewInt(1)}
	default:
		data = &types.LegacyTx{Nonce: d.nonce, GasPrice: d.cap, Gas: d.gas, To: d.to, Value: d.value, Data: d.data, V: big.NewInt(27), R: mark, S: common.Big1}
	}
	return motet.NewTx(types.NewTx(data), d.from)
}
