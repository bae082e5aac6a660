package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet"
)

// MaxMessage bounds a message: records, headers and all.
const MaxMessage = 900_000

// maxPayload leaves room for the headers that go with a message.
const maxPayload = MaxMessage - 512

// The wire form of a record, integers big-endian. The hash of a record is the
// SHA-256 of everything before the checksum. A message is one or more records.
//
//	version u8 | kind u8 | generation u64 | counter u64 | prev 32 bytes |
//	body length u32 | body (RLP) | CRC-32C of all of it u32
const (
	recordVersion  = 1
	recordHead     = 1 + 1 + 8 + 8 + 32 + 4
	recordOverhead = recordHead + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a constant in all but name

var (
	errShort    = errors.New("record is cut short")
	errVersion  = errors.New("unknown record version")
	errKind     = errors.New("unknown record kind")
	errChecksum = errors.New("checksum does not match")
	errEmpty    = errors.New("message holds no record")
	errBody     = errors.New("body is not in canonical form")
)

// openV1 is the wire form of motet.Open, kept apart from it so that a new field
// there cannot change the meaning of stored bytes.
type openV1 struct {
	Number        uint64
	Timestamp     uint64
	OriginNumber  uint64
	OriginHash    common.Hash
	OriginTime    uint64
	PrevRandao    common.Hash
	Coinbase      common.Address
	GasLimit      uint64
	BaseFee       *big.Int
	Extra         []byte
	Forced        []common.Hash
	FirstDeposit  uint64
	DepositsCount uint64
}

func (w *openV1) open() *motet.Open {
	o := &motet.Open{
		Number:    w.Number,
		Timestamp: w.Timestamp,
		Origin: motet.Origin{
			Number: w.OriginNumber, Hash: w.OriginHash, Time: w.OriginTime, PrevRandao: w.PrevRandao,
		},
		Coinbase: w.Coinbase,
		GasLimit: w.GasLimit,
		BaseFee:  w.BaseFee,
		Extra:    w.Extra,
		Deposits: motet.DepositRange{First: w.FirstDeposit, Count: w.DepositsCount},
	}
	if len(w.Forced) > 0 {
		o.Forced = w.Forced
	}
	return o
}

func wireOpen(o *motet.Open) *openV1 {
	fee := o.BaseFee
	if fee == nil {
		fee = new(big.Int)
	}
	return &openV1{
		Number:        o.Number,
		Timestamp:     o.Timestamp,
		OriginNumber:  o.Origin.Number,
		OriginHash:    o.Origin.Hash,
		OriginTime:    o.Origin.Time,
		PrevRandao:    o.Origin.PrevRandao,
		Coinbase:      o.Coinbase,
		GasLimit:      o.GasLimit,
		BaseFee:       fee,
		Extra:         o.Extra,
		Forced:        o.Forced,
		FirstDeposit:  o.Deposits.First,
		DepositsCount: o.Deposits.Count,
	}
}

// encodeBody returns the RLP of the field that is set.
func encodeBody(b Body) ([]byte, error) {
	switch b.Kind() {
	case KindOpen:
		return rlp.EncodeToBytes(wireOpen(b.Open))
	case KindSlice:
		return rlp.EncodeToBytes(b.Slice)
	case KindSeal:
		return rlp.EncodeToBytes(b.Seal)
	case KindEpoch:
		return rlp.EncodeToBytes(b.Epoch)
	case KindReorg:
		return rlp.EncodeToBytes(b.Reorg)
	default:
		return nil, errKind
	}
}

func decodeBody(kind Kind, enc []byte) (b Body, err error) {
	switch kind {
	case KindOpen:
		w := new(openV1)
		if err = rlp.DecodeBytes(enc, w); err == nil {
			b.Open = w.open()
		}
	case KindSlice:
		b.Slice = new(Slice)
		err = rlp.DecodeBytes(enc, b.Slice)
	case KindSeal:
		b.Seal = new(Seal)
		if err = rlp.DecodeBytes(enc, b.Seal); err == nil && !soundHeader(b.Seal.Header) {
			err = errBody
		}
	case KindEpoch:
		b.Epoch = new(Epoch)
		err = rlp.DecodeBytes(enc, b.Epoch)
	case KindReorg:
		b.Reorg = new(Reorg)
		err = rlp.DecodeBytes(enc, b.Reorg)
	default:
		err = fmt.Errorf("%w %d", errKind, kind)
	}
	return b, err
}

// soundHeader guards the callers of Header.Number.Uint64.
func soundHeader(h *types.Header) bool {
	return h != nil && h.Number != nil && h.Number.IsUint64()
}

// appendRecord appends the wire form of r to dst and returns the record's hash.
func appendRecord(dst []byte, r *Record) ([]byte, common.Hash, error) {
	body, err := encodeBody(r.Body)
	if err != nil {
		return nil, common.Hash{}, fmt.Errorf("encode %s record: %w", r.Kind(), err)
	}
	start := len(dst)
	dst = append(dst, recordVersion, byte(r.Kind()))
	dst = binary.BigEndian.AppendUint64(dst, r.Generation)
	dst = binary.BigEndian.AppendUint64(dst, r.Counter)
	dst = append(dst, r.Prev[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	dst = append(dst, body...)
	hash := sha256.Sum256(dst[start:])
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	return dst, hash, nil
}

// readRecord reads the record at the start of src and returns the rest.
func readRecord(src []byte) (r Record, hash common.Hash, rest []byte, err error) {
	if len(src) < recordOverhead {
		return r, hash, nil, errShort
	}
	if src[0] != recordVersion {
		return r, hash, nil, fmt.Errorf("%w %d", errVersion, src[0])
	}
	size := binary.BigEndian.Uint32(src[recordHead-4:])
	if uint64(size) > uint64(len(src)-recordOverhead) {
		return r, hash, nil, errShort
	}
	end := recordHead + int(size)
	if crc32.Checksum(src[:end], castagnoli) != binary.BigEndian.Uint32(src[end:]) {
		return r, hash, nil, errChecksum
	}
	r.Generation = binary.BigEndian.Uint64(src[2:])
	r.Counter = binary.BigEndian.Uint64(src[10:])
	copy(r.Prev[:], src[18:])
	if r.Body, err = decodeBody(Kind(src[1]), src[recordHead:end]); err != nil {
		return r, hash, nil, fmt.Errorf("decode body of record %s: %w", r.Cursor, err)
	}
	return r, sha256.Sum256(src[:end]), src[end+4:], nil
}

// decodeMessage reads all records of a message and checks that they follow one
// another. It returns the hash of the last one too.
func decodeMessage(data []byte) (records []Record, last common.Hash, err error) {
	if len(data) == 0 {
		return nil, last, errEmpty
	}
	for len(data) > 0 {
		r, hash, rest, err := readRecord(data)
		if err != nil {
			return nil, last, err
		}
		if n := len(records); n > 0 {
			if err := follows(&r, records[n-1].Cursor, last); err != nil {
				return nil, last, err
			}
		}
		records, last, data = append(records, r), hash, rest
	}
	return records, last, nil
}

// follows checks that r comes right after the record at prev with the given
// hash.
func follows(r *Record, prev Cursor, hash common.Hash) error {
	switch {
	case r.Generation != prev.Generation:
		return fmt.Errorf("record %s does not belong to generation %d", r.Cursor, prev.Generation)
	case r.Counter != prev.Counter+1:
		return fmt.Errorf("record %s does not follow record %s", r.Cursor, prev)
	case r.Prev != hash:
		return fmt.Errorf("record %s names %s as the hash of the record before it, which is %s", r.Cursor, r.Prev, hash)
	default:
		return nil
	}
}
