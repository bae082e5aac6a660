package oracletest

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// call submits a call of to with data and ample gas.
func (g *generator) call(to common.Address, data []byte) error {
	if g.block.cut >= 0 {
		return nil
	}
	d := g.draft()
	d.to, d.data, d.value = &to, data, big.NewInt(int64(g.smallValue()))
	d.gas += d.extra() + 2_000_000 + g.forState()
	if d.gas > g.block.env.Header.GasLimit {
		d.gas = g.block.env.Header.GasLimit
	}
	return g.submit(d)
}

// rebirth creates a contract at an address, uses it, destroys it, pays it and
// creates it again, in any order and in one transaction or several.
func (g *generator) rebirth() error {
	var (
		factory = pick(g.c, g.w.knives)
		salt    = byte(3 + g.c.n(2))
		code    = cloneKnife(g.w.knives[0].Bytes())
		child   = crypto.CreateAddress2(factory, common.Hash{31: salt}, crypto.Keccak256(code))
		create  = sized([]byte{opCreate2, g.smallValue(), salt}, code)
		at      = func(op byte) []byte { return append([]byte{op}, child.Bytes()...) }
		use     = func(program ...byte) []byte { return sized(append(at(opCall), g.smallValue()), program) }
		heir    = pick(g.c, []common.Address{child, g.coinbase, g.target()})
		steps   [][]byte
	)
	for range 3 + g.c.n(6) {
		steps = append(steps, pick(g.c, [][]byte{
			create,
			create,
			use(opIncrement, 0, opIncrement, 1),
			use(opSet, 0, 0),
			use(append([]byte{opIncrement, 2, opSelfDestruct}, heir.Bytes()...)...),
			use(append([]byte{opSelfDestruct}, heir.Bytes()...)...),
			use(),
			use(opLoadRun, 3, opLog),
			append(append(at(opCode), at(opBalance)...), opLog),
			use(append(sized(append(append([]byte{opCall}, factory.Bytes()...), 0), []byte{opIncrement, 0}), opRevert)...),
		}))
	}
	apart := g.c.one(2)
	var program []byte
	for _, step := range steps {
		if program = append(program, step...); apart || g.c.one(3) {
			if err := g.call(factory, program); err != nil {
				return err
			}
			program = nil
		}
	}
	return g.call(factory, append(program, opLog))
}

// flip changes an account's delegation from transaction to transaction while
// others call it and it sends transactions itself.
func (g *generator) flip() error {
	if !g.rules.IsPrague {
		return g.rebirth()
	}
	i := g.c.n(len(g.w.eoas))
	authority := g.w.eoas[i]
	for range 2 + g.c.n(5) {
		if g.block.cut >= 0 {
			return nil
		}
		var err error
		switch g.c.n(3) {
		case 0:
			err = g.call(authority, []byte{opIncrement, 0, opLoad, 0, opLog})
		case 1:
			d := g.transfer()
			d.from, d.nonce = authority, g.db.GetNonce(authority)
			err = g.submit(d)
		default:
			err = g.redelegate(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// redelegate has somebody, perhaps account i itself, submit a new delegation of
// account i.
func (g *generator) redelegate(i int) error {
	d := g.draft()
	d.typ = types.SetCodeTxType
	auth := types.SetCodeAuthorization{
		Address: pick(g.c, []common.Address{g.w.knives[0], g.w.knives[1], {}, g.w.eoas[i]}),
		Nonce:   g.db.GetNonce(g.w.eoas[i]),
	}
	if d.from == g.w.eoas[i] {
		auth.Nonce++
	}
	signed, err := types.SignSetCode(g.w.keys[i], auth)
	if err != nil {
		return err
	}
	to := g.w.eoas[i]
	d.to, d.data, d.auths = &to, []byte{opIncrement, 1}, append(d.auths, signed)
	d.gas += d.extra() + 200_000
	return g.submit(d)
}
