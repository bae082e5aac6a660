package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet"
)

// The wire form of an intake message, integers big-endian. Every message names
// the sequence that the next transaction gets, so that any one of them is enough
// to go on from.
//
//	version u8 | kind u8 | next u64 | count u32 | body | CRC-32C of all of it u32
//
// The body of transactions is, for each, its length as a uvarint and its bytes;
// next is the first one's sequence. That of fates is an RLP list.
const (
	intakeVersion  = 1
	intakeTxs      = 1
	intakeFates    = 2
	intakeHead     = 1 + 1 + 8 + 4
	intakeOverhead = intakeHead + 4
)

// fateV1 is the wire form of motet.Fate.
type fateV1 struct {
	Hash         common.Hash
	State        string
	Reason       string
	By           common.Hash
	Block, Index uint64
}

// entry is a decoded intake message.
type entry struct {
	next  uint64 // sequence of the first transaction in it, or after it
	txs   [][]byte
	fates []motet.Fate
}

// end returns the sequence that the next transaction gets.
func (e *entry) end() uint64 { return e.next + uint64(len(e.txs)) }

// txSize returns the room that a transaction takes in a message.
func txSize(raw []byte) int { return len(raw) + uvarintLen(uint64(len(raw))) }

// fateSize returns an upper bound of the room that a fate takes in a message. A
// reason is cut to maxReason.
func fateSize(f *motet.Fate) int {
	const fixed = 2*33 + 2*9 + 3*4 + 32 // hashes, numbers, RLP prefixes, state
	return fixed + min(len(f.Reason), maxReason)
}

const maxReason = 512

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

func intakeHeader(kind byte, next uint64, count, size int) []byte {
	dst := make([]byte, 0, intakeOverhead+size)
	dst = append(dst, intakeVersion, kind)
	dst = binary.BigEndian.AppendUint64(dst, next)
	return binary.BigEndian.AppendUint32(dst, uint32(count))
}

func checksummed(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

func encodeTxs(first uint64, txs [][]byte) []byte {
	size := 0
	for _, raw := range txs {
		size += txSize(raw)
	}
	dst := intakeHeader(intakeTxs, first, len(txs), size)
	for _, raw := range txs {
		dst = binary.AppendUvarint(dst, uint64(len(raw)))
		dst = append(dst, raw...)
	}
	return checksummed(dst)
}

func encodeFates(next uint64, fates []motet.Fate) ([]byte, error) {
	list := make([]fateV1, len(fates))
	for i, f := range fates {
		list[i] = fateV1{Hash: f.Hash, State: string(f.State), Reason: f.Reason[:min(len(f.Reason), maxReason)], By: f.By, Block: f.Block, Index: f.Index}
	}
	body, err := rlp.EncodeToBytes(list)
	if err != nil {
		return nil, fmt.Errorf("encode fates: %w", err)
	}
	return checksummed(append(intakeHeader(intakeFates, next, len(fates), len(body)), body...)), nil
}

var errIntakeForm = errors.New("intake message is not of the expected form")

func decodeEntry(data []byte) (*entry, error) {
	if len(data) < intakeOverhead {
		return nil, errShort
	}
	if data[0] != intakeVersion {
		return nil, fmt.Errorf("%w %d", errVersion, data[0])
	}
	end := len(data) - 4
	if crc32.Checksum(data[:end], castagnoli) != binary.BigEndian.Uint32(data[end:]) {
		return nil, errChecksum
	}
	e := &entry{next: binary.BigEndian.Uint64(data[2:])}
	count := binary.BigEndian.Uint32(data[10:])
	body := data[intakeHead:end]
	switch data[1] {
	case intakeTxs:
		return e, e.readTxs(body, count)
	case intakeFates:
		return e, e.readFates(body, count)
	default:
		return nil, errIntakeForm
	}
}

func (e *entry) readTxs(body []byte, count uint32) error {
	for range count {
		size, n := binary.Uvarint(body)
		if n <= 0 || n != uvarintLen(size) || size > uint64(len(body)-n) {
			return errIntakeForm
		}
		e.txs = append(e.txs, body[n:n+int(size):n+int(size)])
		body = body[n+int(size):]
	}
	if len(body) != 0 {
		return errIntakeForm
	}
	return nil
}

func (e *entry) readFates(body []byte, count uint32) error {
	var list []fateV1
	if err := rlp.DecodeBytes(body, &list); err != nil {
		return fmt.Errorf("%w: %w", errIntakeForm, err)
	}
	if uint64(len(list)) != uint64(count) {
		return errIntakeForm
	}
	for _, f := range list {
		e.fates = append(e.fates, motet.Fate{
			Hash: f.Hash, State: motet.State(f.State), Reason: f.Reason, By: f.By, Block: f.Block, Index: f.Index,
		})
	}
	return nil
}
