package batchcodec

import (
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// Encode returns the envelope of b. The error says that b is no batch: its
// blocks are not in order, or it exceeds DefaultLimits.
func Encode(b *Batch, codec Codec) ([]byte, error) {
	e := encoder{chainID: b.ChainID, limits: DefaultLimits()}
	if err := e.blocks(b); err != nil {
		return nil, fmt.Errorf("encode batch %d: %w", b.Index, err)
	}
	raw := e.cols.join()
	if len(raw) > e.limits.Raw {
		return nil, fmt.Errorf("encode batch %d: %w", b.Index, errLimit)
	}
	body, err := compress(codec, raw)
	if err != nil {
		return nil, fmt.Errorf("encode batch %d: %w", b.Index, err)
	}
	env := envelope{
		codec: codec, chainID: b.ChainID, index: b.Index,
		firstBlock: b.FirstBlock, firstTx: b.FirstTx, lastComplete: b.LastComplete,
		blocks: uint32(len(b.Blocks)), rawLen: uint32(len(raw)), //nolint:gosec // within the limits
		sigs: append(e.sigs, e.parity...), body: body,
	}
	return env.encode(), nil
}

// overhead is what a decoder counts for a transaction besides its data and lists,
// at most.
const overhead = 200

type encoder struct {
	chainID uint64
	limits  Limits
	cols    columns
	tables  tables
	sigs    []byte
	parity  []byte
	signed  int // transactions in the columns
}

func (e *encoder) blocks(b *Batch) error {
	if len(b.Blocks) == 0 {
		return errEmpty
	}
	if b.FirstBlock > math.MaxUint64-uint64(len(b.Blocks)) {
		return errRange
	}
	var time, origin uint64
	txs, size := 0, 0
	for i := range b.Blocks {
		bl := &b.Blocks[i]
		if bl.Timestamp < time || bl.Origin < origin {
			return errRange
		}
		e.cols.uvarint(colBlocks, bl.Timestamp-time)
		e.cols.uvarint(colBlocks, bl.Origin-origin)
		e.cols.uvarint(colBlocks, bl.Forced)
		e.cols.uvarint(colBlocks, bl.Deposits)
		e.cols.uvarint(colBlocks, uint64(len(bl.Txs)))
		time, origin = bl.Timestamp, bl.Origin
		for _, raw := range bl.Txs {
			txs, size = txs+1, size+len(raw)+overhead
			e.tx(raw)
		}
	}
	if len(b.Blocks) > e.limits.Blocks || txs > e.limits.Txs || size > e.limits.Output {
		return errLimit
	}
	return nil
}

func (e *encoder) tx(raw []byte) {
	f := takeApart(raw, e.chainID)
	if f == nil {
		e.cols[colKinds] = append(e.cols[colKinds], kindEscape)
		e.cols.sized(colEscapes, raw)
		return
	}
	words := len(f.data)%32 == 4
	kind := f.kind
	if f.to == nil {
		kind |= kindCreation
	}
	if words {
		kind |= kindWords
	}
	if !f.value.IsZero() {
		kind |= kindValue
	}
	e.cols[colKinds] = append(e.cols[colKinds], kind)
	e.sign(f)
	e.cols.uvarint(colNonces, f.nonce)
	place := e.tables.gas.place(f.gas)
	e.cols.uvarint(colGas, place)
	if place == 0 {
		e.cols.uvarint(colGasNew, f.gas)
	}
	e.fee(&f.tip)
	if f.hasCap() {
		e.fee(&f.cap)
	}
	if f.to != nil {
		e.address(*f.to)
	}
	if !f.value.IsZero() {
		e.cols.number(colValues, &f.value)
	}
	e.cols.uvarint(colDataLens, uint64(len(f.data)))
	if words {
		e.call(f.data)
	} else {
		e.cols[colData] = append(e.cols[colData], f.data...)
	}
	if f.typ() != types.LegacyTxType {
		e.cols.sized(colLists, f.access)
	}
	if f.typ() == types.SetCodeTxType {
		e.cols.sized(colLists, f.auths)
	}
}

func (e *encoder) sign(f *fields) {
	e.sigs = append(append(e.sigs, f.r[:]...), f.s[:]...)
	if e.signed%8 == 0 {
		e.parity = append(e.parity, 0)
	}
	if f.odd {
		e.parity[e.signed/8] |= 1 << (e.signed % 8)
	}
	e.signed++
}

func (e *encoder) fee(v *uint256.Int) {
	place := e.tables.fees.place(*v)
	e.cols.uvarint(colFees, place)
	if place == 0 {
		e.cols.number(colFeesNew, v)
	}
}

func (e *encoder) address(a common.Address) {
	place := e.tables.addresses.place(a)
	e.cols.uvarint(colAddrs, place)
	if place == 0 {
		e.cols[colAddrsNew] = append(e.cols[colAddrsNew], a[:]...)
	}
}

// call takes a selector and its words apart.
func (e *encoder) call(data []byte) {
	place := e.tables.selectors.place([4]byte(data))
	e.cols.uvarint(colSelects, place)
	if place == 0 {
		e.cols[colSelectsNew] = append(e.cols[colSelectsNew], data[:4]...)
	}
	for data = data[4:]; len(data) > 0; data = data[32:] {
		word := data[:32]
		v := new(uint256.Int).SetBytes(word)
		tag := byte(tagRaw)
		switch size := v.ByteLen(); {
		case size == 0:
			tag = tagZero
		case size <= maxNumber:
			tag = tagNumber
			e.cols.number(colNumbers, v)
		case size <= common.AddressLength:
			tag = tagAddress
			e.address(common.BytesToAddress(word))
		default:
			e.cols[colWords] = append(e.cols[colWords], word...)
		}
		e.cols[colTags] = append(e.cols[colTags], tag)
	}
}
