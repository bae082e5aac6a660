package eventlog

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/nats-io/nats.go"

	"github.com/motet-evm/motet"
)

// A list is its RLP, cut into messages. The headers of each say which part of
// which list it is.
const (
	headerBlock     = "Motet-Block"      // number, decimal
	headerBlockHash = "Motet-Block-Hash" // hex
	headerChunk     = "Motet-Chunk"      // from 1 on
	headerChunks    = "Motet-Chunks"     // how many make up the list
	headerListHash  = "Motet-List-Hash"  // Keccak-256 of the RLP: the hash of EIP-7928
)

// maxChunks bounds a list, and with it what a reader holds: 256 MiB. A block of
// 1,000,000,000 gas stays below a fifth of that.
const maxChunks = 298

// AccessList is the block access list of a block, as it was read.
type AccessList struct {
	Block motet.BlockRef
	Hash  common.Hash // of the list
	List  *bal.BlockAccessList
}

// chunk says which part of which list a message is.
type chunk struct {
	block        motet.BlockRef
	list         common.Hash
	index, count int // index counts from 1
}

// of reports whether two chunks belong to one list, cut alike.
func (c chunk) of(o chunk) bool { return c.block == o.block && c.list == o.list && c.count == o.count }

func encodeList(block motet.BlockRef, list *bal.BlockAccessList, part int) (chunk, []byte, error) {
	raw, err := rlp.EncodeToBytes(list)
	if err != nil {
		return chunk{}, nil, err
	}
	what := chunk{block: block, list: crypto.Keccak256Hash(raw), count: (len(raw) + part - 1) / part}
	if what.count > maxChunks {
		return what, nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(raw))
	}
	return what, raw, nil
}

func (c chunk) header() nats.Header {
	return nats.Header{
		headerBlock:     {strconv.FormatUint(c.block.Number, 10)},
		headerBlockHash: {c.block.Hash.Hex()},
		headerChunk:     {strconv.Itoa(c.index)},
		headerChunks:    {strconv.Itoa(c.count)},
		headerListHash:  {c.list.Hex()},
	}
}

var errListHeader = errors.New("headers do not tell which part of which list it is")

func parseChunk(h nats.Header) (c chunk, err error) {
	bad := func(err error) bool { return err != nil }
	number, notNumber := strconv.ParseUint(h.Get(headerBlock), 10, 64)
	index, notIndex := strconv.Atoi(h.Get(headerChunk))
	count, notCount := strconv.Atoi(h.Get(headerChunks))
	c = chunk{block: motet.BlockRef{Number: number}, index: index, count: count}
	if bad(notNumber) || bad(notIndex) || bad(notCount) || index < 1 || index > count ||
		bad(c.block.Hash.UnmarshalText([]byte(h.Get(headerBlockHash)))) || bad(c.list.UnmarshalText([]byte(h.Get(headerListHash)))) {
		return c, errListHeader
	}
	return c, nil
}

// Errors that a *ListError wraps, beside ErrTrimmed and ErrTooLarge.
var (
	// ErrIncomplete says that the stream does not hold all of a list.
	ErrIncomplete = errors.New("parts of the list are missing")
	// ErrBadList says that a list is not the one that its hash stands for.
	ErrBadList = errors.New("list is damaged")
)

// ListError reports a list that the reader cannot have. Reading can go on with
// the list after it.
type ListError struct {
	Block    motet.BlockRef // zero if it is not known
	Sequence uint64         // of the message that showed it
	Err      error
}

func (e *ListError) Error() string {
	if e.Block == (motet.BlockRef{}) {
		return fmt.Sprintf("%s, message %d: %v", derivedStream, e.Sequence, e.Err)
	}
	return fmt.Sprintf("%s, message %d: access list of block %d %s: %v", derivedStream, e.Sequence, e.Block.Number, e.Block.Hash, e.Err)
}

// Unwrap returns the cause.
func (e *ListError) Unwrap() error { return e.Err }

// assembly puts lists together. It holds one list at a time, and tells once of
// each that it cannot put together.
type assembly struct {
	at   chunk // the part that came last; the zero chunk: none is begun
	data []byte
	lost chunk // the list that was told of last
}

// add takes the next message. It returns the list that the message completes, and
// what was found to be lost.
func (a *assembly) add(seq uint64, h nats.Header, data []byte) (list *AccessList, lost []error) {
	next, err := parseChunk(h)
	if err != nil {
		return nil, append(a.drop(seq, ErrIncomplete), &ListError{Sequence: seq, Err: err})
	}
	follows := a.at.count > 0 && next.of(a.at) && next.index == a.at.index+1
	if !follows {
		lost = a.drop(seq, ErrIncomplete)
		switch {
		case next.index > 1 && next.of(a.lost):
			return nil, lost
		case next.index > 1:
			return nil, append(lost, a.lose(seq, next, ErrIncomplete))
		case next.count > maxChunks:
			return nil, append(lost, a.lose(seq, next, ErrTooLarge))
		}
	}
	a.at, a.data = next, append(a.data, data...)
	if next.index < next.count {
		return nil, lost
	}
	list, err = decodeList(next, a.data)
	a.at, a.data = chunk{}, nil
	if err != nil {
		return nil, append(lost, a.lose(seq, next, err))
	}
	return list, lost
}

// drop gives up the list that was begun.
func (a *assembly) drop(seq uint64, why error) []error {
	begun := a.at
	a.at, a.data = chunk{}, nil
	if begun.count == 0 {
		return nil
	}
	return []error{a.lose(seq, begun, why)}
}

func (a *assembly) lose(seq uint64, what chunk, why error) error {
	a.lost = what
	return &ListError{Block: what.block, Sequence: seq, Err: why}
}

func decodeList(what chunk, raw []byte) (*AccessList, error) {
	if crypto.Keccak256Hash(raw) != what.list {
		return nil, ErrBadList
	}
	list := new(bal.BlockAccessList)
	if err := rlp.DecodeBytes(raw, list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadList, err)
	}
	return &AccessList{Block: what.block, Hash: what.list, List: list}, nil
}
