package batchcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Batch is a range of the block sequence.
type Batch struct {
	ChainID uint64
	Index   uint64 // of the batch
	// FirstBlock is the number of the first block; the others follow it.
	FirstBlock uint64
	// FirstTx is the index, within the first block, of the batch's first
	// transaction.
	FirstTx uint32
	// LastComplete tells whether the last block ends with the batch.
	LastComplete bool
	Blocks       []Block
}

// Block is a block, or the part of one that a batch holds.
type Block struct {
	Timestamp uint64
	// Origin is the number of the L1 block that the block builds on.
	Origin uint64
	// Forced and Deposits count the queued transactions and the deposits that
	// entered the block.
	Forced   uint64
	Deposits uint64
	// Txs are the sequenced transactions, in their canonical encoding.
	Txs [][]byte
}

// Codec names a compressor.
type Codec uint8

// The codecs. Their values are part of the wire format.
const (
	None Codec = 0
	Zlib Codec = 1
	Zstd Codec = 2
)

// Limits bound what a decoder accepts.
type Limits struct {
	// Raw bounds the size of the columns before compression.
	Raw int
	// Output bounds the sum of the transactions' sizes.
	Output int
	// Txs and Blocks bound their numbers.
	Txs    int
	Blocks int
}

// DefaultLimits are those of version 1. Batches that exceed them are invalid.
func DefaultLimits() Limits {
	return Limits{Raw: 16 << 20, Output: 32 << 20, Txs: 1 << 16, Blocks: 1 << 14}
}

const (
	magic        = "MOTB"
	version      = 1
	flagComplete = 1
	headSize     = 4 + 1 + 1 + 1 + 8 + 8 + 8 + 4 + 4 + 4 + 4 + 4 + 4
	crcOffset    = headSize - 4
	sigSize      = 64
)

// Errors that say why bytes are not a batch. All of them match ErrInvalid.
var (
	ErrInvalid = errors.New("not a valid batch")

	errMagic    = fmt.Errorf("%w: no magic", ErrInvalid)
	errVersion  = fmt.Errorf("%w: unknown version", ErrInvalid)
	errCodec    = fmt.Errorf("%w: unknown codec", ErrInvalid)
	errFlags    = fmt.Errorf("%w: unknown flags", ErrInvalid)
	errShort    = fmt.Errorf("%w: cut short", ErrInvalid)
	errTrailing = fmt.Errorf("%w: something follows it", ErrInvalid)
	errChecksum = fmt.Errorf("%w: checksum does not match", ErrInvalid)
	errLimit    = fmt.Errorf("%w: exceeds a limit", ErrInvalid)
	errColumns  = fmt.Errorf("%w: malformed columns", ErrInvalid)
	errCompress = fmt.Errorf("%w: malformed compression", ErrInvalid)
	errEmpty    = fmt.Errorf("%w: no blocks", ErrInvalid)
	errRange    = fmt.Errorf("%w: malformed range", ErrInvalid)
)

// envelope is what surrounds the columns.
type envelope struct {
	codec        Codec
	chainID      uint64
	index        uint64
	firstBlock   uint64
	firstTx      uint32
	lastComplete bool
	blocks       uint32
	rawLen       uint32
	sigs         []byte
	body         []byte
}

func (e *envelope) encode() []byte {
	out := make([]byte, 0, headSize+len(e.sigs)+len(e.body))
	out = append(out, magic...)
	var flags byte
	if e.lastComplete {
		flags |= flagComplete
	}
	out = append(out, version, byte(e.codec), flags)
	out = binary.BigEndian.AppendUint64(out, e.chainID)
	out = binary.BigEndian.AppendUint64(out, e.index)
	out = binary.BigEndian.AppendUint64(out, e.firstBlock)
	out = binary.BigEndian.AppendUint32(out, e.firstTx)
	out = binary.BigEndian.AppendUint32(out, e.blocks)
	out = binary.BigEndian.AppendUint32(out, e.rawLen)
	out = binary.BigEndian.AppendUint32(out, uint32(len(e.sigs))) //nolint:gosec // bounded by the limits
	out = binary.BigEndian.AppendUint32(out, uint32(len(e.body))) //nolint:gosec // bounded by the limits
	sum := checksum(out, e.sigs, e.body)
	out = binary.BigEndian.AppendUint32(out, sum)
	out = append(out, e.sigs...)
	return append(out, e.body...)
}

func checksum(parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var sum uint32
	for _, p := range parts {
		sum = crc32.Update(sum, table, p)
	}
	return sum
}

func decodeEnvelope(data []byte) (*envelope, error) {
	if len(data) < headSize {
		return nil, errShort
	}
	if string(data[:4]) != magic {
		return nil, errMagic
	}
	if data[4] != version {
		return nil, errVersion
	}
	if data[6]&^flagComplete != 0 {
		return nil, errFlags
	}
	e := &envelope{
		codec:        Codec(data[5]),
		lastComplete: data[6]&flagComplete != 0,
		chainID:      binary.BigEndian.Uint64(data[7:]),
		index:        binary.BigEndian.Uint64(data[15:]),
		firstBlock:   binary.BigEndian.Uint64(data[23:]),
		firstTx:      binary.BigEndian.Uint32(data[31:]),
		blocks:       binary.BigEndian.Uint32(data[35:]),
		rawLen:       binary.BigEndian.Uint32(data[39:]),
	}
	sigLen, bodyLen := uint64(binary.BigEndian.Uint32(data[43:])), uint64(binary.BigEndian.Uint32(data[47:]))
	rest := data[headSize:]
	if sigLen+bodyLen > uint64(len(rest)) {
		return nil, errShort
	}
	e.sigs, e.body = rest[:sigLen], rest[sigLen:sigLen+bodyLen]
	for _, b := range rest[sigLen+bodyLen:] {
		if b != 0 {
			return nil, errTrailing
		}
	}
	if checksum(data[:crcOffset], e.sigs, e.body) != binary.BigEndian.Uint32(data[crcOffset:]) {
		return nil, errChecksum
	}
	return e, nil
}
