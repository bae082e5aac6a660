package batchcodec

import (
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// Decode reads an envelope. The error matches ErrInvalid. Transactions are given
// as they were encoded; whether they are valid is not for this package to say.
func Decode(data []byte, limits Limits) (*Batch, error) {
	env, err := decodeEnvelope(data)
	if err != nil {
		return nil, err
	}
	if uint64(env.rawLen) > uint64(limits.Raw) || uint64(env.blocks) > uint64(limits.Blocks) {
		return nil, errLimit
	}
	if env.blocks == 0 {
		return nil, errEmpty
	}
	if env.firstBlock > math.MaxUint64-uint64(env.blocks) {
		return nil, errRange
	}
	raw, err := decompress(env.codec, env.body, int(env.rawLen))
	if err != nil {
		return nil, err
	}
	cols, ok := split(raw)
	if !ok {
		return nil, errColumns
	}
	b := &Batch{
		ChainID: env.chainID, Index: env.index,
		FirstBlock: env.firstBlock, FirstTx: env.firstTx, LastComplete: env.lastComplete,
	}
	d := decoder{chainID: env.chainID, limits: limits, cols: cols, sigs: env.sigs}
	if b.Blocks, err = d.blocks(int(env.blocks)); err != nil {
		return nil, fmt.Errorf("decode batch %d: %w", b.Index, err)
	}
	return b, nil
}

type decoder struct {
	chainID uint64
	limits  Limits
	cols    *cursors
	tables  tables
	sigs    []byte
	parity  []byte
	signed  int
	output  int // bytes of transactions so far
}

func (d *decoder) blocks(count int) ([]Block, error) {
	kinds := d.cols.cols[colKinds]
	if len(kinds) > d.limits.Txs {
		return nil, errLimit
	}
	signed := 0
	for _, k := range kinds {
		if k != kindEscape {
			signed++
		}
	}
	if len(d.sigs) != signed*sigSize+(signed+7)/8 {
		return nil, errColumns
	}
	d.parity = d.sigs[signed*sigSize:]
	if tail := signed % 8; tail != 0 && d.parity[len(d.parity)-1]>>tail != 0 {
		return nil, errColumns
	}
	var blocks []Block
	var time, origin, txs uint64
	for range count {
		bl := Block{}
		dt, do := d.cols.uvarint(colBlocks), d.cols.uvarint(colBlocks)
		bl.Forced, bl.Deposits = d.cols.uvarint(colBlocks), d.cols.uvarint(colBlocks)
		n := d.cols.uvarint(colBlocks)
		if dt > math.MaxUint64-time || do > math.MaxUint64-origin || n > uint64(len(kinds))-txs {
			return nil, errColumns
		}
		time, origin, txs = time+dt, origin+do, txs+n
		bl.Timestamp, bl.Origin = time, origin
		for range n {
			raw, err := d.tx()
			if err != nil {
				return nil, err
			}
			bl.Txs = append(bl.Txs, raw)
		}
		blocks = append(blocks, bl)
	}
	if !d.cols.done() {
		return nil, errColumns
	}
	return blocks, nil
}

// reserve counts bytes that a transaction will take.
func (d *decoder) reserve(n uint64) error {
	if n > uint64(d.limits.Output-d.output) {
		return errLimit
	}
	d.output += int(n)
	return nil
}

func (d *decoder) tx() ([]byte, error) {
	kind := d.cols.byte(colKinds)
	if kind == kindEscape {
		raw := d.cols.sized(colEscapes)
		if d.cols.bad {
			return nil, errColumns
		}
		return raw, d.reserve(uint64(len(raw)))
	}
	f := &fields{kind: kind & (kindTypeMask | kindUnprotected)}
	switch {
	case kind&0x80 != 0,
		f.typ() > types.SetCodeTxType || f.typ() == types.BlobTxType,
		kind&kindUnprotected != 0 && f.typ() != types.LegacyTxType:
		return nil, errColumns
	}
	d.sign(f)
	f.nonce = d.cols.uvarint(colNonces)
	f.gas = pick(d.cols, &d.tables.gas, colGas, func() uint64 { return d.cols.uvarint(colGasNew) })
	f.tip = d.fee()
	if f.hasCap() {
		f.cap = d.fee()
	}
	if kind&kindCreation == 0 {
		to := d.address()
		f.to = &to
	}
	if kind&kindValue != 0 {
		f.value = d.cols.number(colValues)
	}
	if err := d.payload(f, kind); err != nil {
		return nil, err
	}
	raw, err := f.putTogether(d.chainID)
	if err != nil {
		return nil, errColumns
	}
	return raw, nil
}

// payload reads what can be large.
func (d *decoder) payload(f *fields, kind byte) error {
	size := d.cols.uvarint(colDataLens)
	if err := d.reserve(size); err != nil {
		return err
	}
	if err := d.reserve(overhead); err != nil {
		return err
	}
	if kind&kindWords == 0 {
		f.data = d.cols.bytes(colData, size)
	} else if size%32 != 4 || !d.call(f, int(size)) { //nolint:gosec // reserved, hence within the limits
		return errColumns
	}
	if f.typ() != types.LegacyTxType {
		f.access = d.cols.sized(colLists)
	}
	if f.typ() == types.SetCodeTxType {
		f.auths = d.cols.sized(colLists)
	}
	if d.cols.bad {
		return errColumns
	}
	return d.reserve(uint64(len(f.access) + len(f.auths)))
}

func (d *decoder) sign(f *fields) {
	sig := d.sigs[d.signed*sigSize:]
	f.r, f.s = [32]byte(sig), [32]byte(sig[32:])
	f.odd = d.parity[d.signed/8]>>(d.signed%8)&1 == 1
	d.signed++
}

func (d *decoder) fee() uint256.Int {
	return pick(d.cols, &d.tables.fees, colFees, func() uint256.Int { return d.cols.number(colFeesNew) })
}

func (d *decoder) address() common.Address {
	return pick(d.cols, &d.tables.addresses, colAddrs, func() common.Address {
		return common.BytesToAddress(d.cols.bytes(colAddrsNew, common.AddressLength))
	})
}

// call puts a selector and its words together.
func (d *decoder) call(f *fields, size int) bool {
	if (size-4)/32 > len(d.cols.cols[colTags]) {
		return false
	}
	selector := pick(d.cols, &d.tables.selectors, colSelects, func() (s [4]byte) {
		copy(s[:], d.cols.bytes(colSelectsNew, 4))
		return s
	})
	f.data = append(make([]byte, 0, size), selector[:]...)
	for len(f.data) < size {
		var word common.Hash
		switch d.cols.byte(colTags) {
		case tagZero:
		case tagAddress:
			a := d.address()
			copy(word[12:], a[:])
		case tagNumber:
			v := d.cols.number(colNumbers)
			word = v.Bytes32()
		case tagRaw:
			copy(word[:], d.cols.bytes(colWords, 32))
		default:
			return false
		}
		if d.cols.bad {
			return false
		}
		f.data = append(f.data, word[:]...)
	}
	return !d.cols.bad
}
