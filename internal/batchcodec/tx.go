package batchcodec

import (
	"bytes"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

// fields is a transaction taken apart.
type fields struct {
	kind  byte // type; for a legacy transaction with kindUnprotected if it is so
	to    *common.Address
	nonce uint64
	gas   uint64
	tip   uint256.Int // gas price of types 0 and 1
	cap   uint256.Int
	value uint256.Int
	data  []byte
	// lists are the RLP of the access list (types 1, 2, 4) and of the
	// authorizations (type 4).
	access, auths []byte
	r, s          [32]byte
	odd           bool // parity of y
}

// typ returns the EIP-2718 type.
func (f *fields) typ() byte { return f.kind & kindTypeMask }

// hasCap tells whether the type has two fees.
func (f *fields) hasCap() bool {
	return f.typ() == types.DynamicFeeTxType || f.typ() == types.SetCodeTxType
}

// takeApart returns the fields of raw, nil if putting them together again would
// not give the very same bytes.
func takeApart(raw []byte, chainID uint64) *fields {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil || tx.BlobTxSidecar() != nil {
		return nil
	}
	switch tx.Type() {
	case types.LegacyTxType, types.AccessListTxType, types.DynamicFeeTxType, types.SetCodeTxType:
	default:
		return nil
	}
	f := &fields{kind: tx.Type(), to: tx.To(), nonce: tx.Nonce(), gas: tx.Gas(), data: tx.Data()}
	for _, n := range []struct {
		dst *uint256.Int
		src *big.Int
	}{{&f.tip, tx.GasTipCap()}, {&f.cap, tx.GasFeeCap()}, {&f.value, tx.Value()}} {
		if n.dst.SetFromBig(n.src) {
			return nil
		}
	}
	v, r, s := tx.RawSignatureValues()
	if r.BitLen() > 256 || s.BitLen() > 256 {
		return nil
	}
	r.FillBytes(f.r[:])
	s.FillBytes(f.s[:])
	if !f.parity(v, tx.Protected()) || !f.takeLists(tx) {
		return nil
	}
	again, err := f.putTogether(chainID)
	if err != nil || !bytes.Equal(again, raw) {
		return nil
	}
	return f
}

// parity finds out the parity of y from v.
func (f *fields) parity(v *big.Int, protected bool) bool {
	if !v.IsUint64() {
		return false
	}
	switch {
	case f.kind != types.LegacyTxType:
		f.odd = v.Uint64() == 1
	case protected:
		f.odd = v.Uint64()%2 == 0 // 35 + 2·chain id + parity
	default:
		f.kind |= kindUnprotected
		f.odd = v.Uint64() == 28
	}
	return true
}

func (f *fields) takeLists(tx *types.Transaction) bool {
	var err error
	if f.typ() != types.LegacyTxType {
		if f.access, err = rlp.EncodeToBytes(tx.AccessList()); err != nil {
			return false
		}
	}
	if f.typ() == types.SetCodeTxType {
		f.auths, err = rlp.EncodeToBytes(tx.SetCodeAuthorizations())
	}
	return err == nil
}

// putTogether returns the canonical encoding of the transaction.
func (f *fields) putTogether(chainID uint64) ([]byte, error) {
	var access types.AccessList
	if f.typ() != types.LegacyTxType {
		if err := rlp.DecodeBytes(f.access, &access); err != nil {
			return nil, err
		}
	}
	parity := uint64(0)
	if f.odd {
		parity = 1
	}
	v := new(big.Int).SetUint64(parity)
	r, s := new(big.Int).SetBytes(f.r[:]), new(big.Int).SetBytes(f.s[:])
	id := new(big.Int).SetUint64(chainID)
	switch f.typ() {
	case types.LegacyTxType:
		if f.kind&kindUnprotected != 0 {
			v.SetUint64(27 + parity)
		} else {
			v.Add(v, id.Lsh(id, 1)).Add(v, big.NewInt(35))
		}
		return marshal(&types.LegacyTx{
			Nonce: f.nonce, GasPrice: f.tip.ToBig(), Gas: f.gas, To: f.to, Value: f.value.ToBig(), Data: f.data, V: v, R: r, S: s,
		})
	case types.AccessListTxType:
		return marshal(&types.AccessListTx{
			ChainID: id, Nonce: f.nonce, GasPrice: f.tip.ToBig(), Gas: f.gas, To: f.to, Value: f.value.ToBig(), Data: f.data,
			AccessList: access, V: v, R: r, S: s,
		})
	case types.DynamicFeeTxType:
		return marshal(&types.DynamicFeeTx{
			ChainID: id, Nonce: f.nonce, GasTipCap: f.tip.ToBig(), GasFeeCap: f.cap.ToBig(), Gas: f.gas, To: f.to,
			Value: f.value.ToBig(), Data: f.data, AccessList: access, V: v, R: r, S: s,
		})
	default:
		return f.setCode(chainID, access)
	}
}

func (f *fields) setCode(chainID uint64, access types.AccessList) ([]byte, error) {
	var auths []types.SetCodeAuthorization
	if err := rlp.DecodeBytes(f.auths, &auths); err != nil {
		return nil, err
	}
	if f.to == nil {
		return nil, errColumns
	}
	v := new(uint256.Int)
	if f.odd {
		v.SetOne()
	}
	return marshal(&types.SetCodeTx{
		ChainID: uint256.NewInt(chainID), Nonce: f.nonce, GasTipCap: &f.tip, GasFeeCap: &f.cap, Gas: f.gas, To: *f.to,
		Value: &f.value, Data: f.data, AccessList: access, AuthList: auths,
		V: v, R: new(uint256.Int).SetBytes(f.r[:]), S: new(uint256.Int).SetBytes(f.s[:]),
	})
}

func marshal(inner types.TxData) ([]byte, error) { return types.NewTx(inner).MarshalBinary() }
