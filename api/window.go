package api

import (
	"encoding/json"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// The window of the log that stays in memory for those who follow it live.
const (
	windowRecords = 4096
	windowBytes   = 64 << 20
)

// entry is a record of the log, with what clients see of it.
type entry struct {
	record eventlog.Record
	size   int

	once   sync.Once
	name   string
	data   []byte
	hashes []common.Hash
}

func newEntry(r eventlog.Record) *entry {
	e := &entry{record: r, size: 512}
	if r.Slice != nil {
		for _, raw := range r.Slice.Txs {
			e.size += len(raw) + 128
		}
	}
	return e
}

// The events of the stream, by the kind of record.
type (
	openEvent struct {
		Number     uint64       `json:"number"`
		Timestamp  uint64       `json:"timestamp"`
		Origin     uint64       `json:"origin"`
		GasLimit   uint64       `json:"gas_limit"`
		BaseFeeWei *hexutil.Big `json:"base_fee"`
	}
	sliceEvent struct {
		Number       uint64             `json:"number"`
		Index        uint64             `json:"index"`
		Transactions []sliceTransaction `json:"transactions"`
	}
	sliceTransaction struct {
		Hash    common.Hash `json:"hash"`
		Status  uint8       `json:"status"`
		GasUsed uint64      `json:"gas_used"`
	}
	sealEvent struct {
		Number     uint64       `json:"number"`
		Hash       common.Hash  `json:"hash"`
		ParentHash common.Hash  `json:"parent_hash"`
		StateRoot  common.Hash  `json:"state_root"`
		Timestamp  uint64       `json:"timestamp"`
		GasUsed    uint64       `json:"gas_used"`
		GasLimit   uint64       `json:"gas_limit"`
		BaseFeeWei *hexutil.Big `json:"base_fee"`
	}
	epochEvent struct {
		Epoch  uint64         `json:"epoch"`
		Parent motet.BlockRef `json:"parent"`
	}
	reorgEvent struct {
		Fork    motet.BlockRef `json:"fork"`
		Reason  string         `json:"reason"`
		L1Block uint64         `json:"l1_block"`
	}
)

// render fills name, data and hashes, once, for whoever asks first.
func (e *entry) render() *entry {
	e.once.Do(func() {
		var event any
		switch r := &e.record; {
		case r.Open != nil:
			e.name = "open"
			event = openEvent{r.Open.Number, r.Open.Timestamp, r.Open.Origin.Number, r.Open.GasLimit, (*hexutil.Big)(r.Open.BaseFee)}
		case r.Slice != nil:
			e.name = "slice"
			event = e.slice()
		case r.Seal != nil:
			h := r.Seal.Header
			e.name = "block"
			event = sealEvent{
				h.Number.Uint64(), h.Hash(), h.ParentHash, h.Root, h.Time, h.GasUsed, h.GasLimit, (*hexutil.Big)(h.BaseFee),
			}
		case r.Epoch != nil:
			e.name = "epoch"
			event = epochEvent{r.Epoch.Epoch, r.Epoch.Parent}
		case r.Reorg != nil:
			e.name = "reorg"
			event = reorgEvent{r.Reorg.Fork, r.Reorg.Reason, r.Reorg.L1Block}
		}
		if data, err := json.Marshal(event); err == nil {
			e.data = data
		}
	})
	return e
}

func (e *entry) slice() sliceEvent {
	s := e.record.Slice
	out := sliceEvent{Number: s.Number, Index: s.Index, Transactions: make([]sliceTransaction, len(s.Txs))}
	e.hashes = make([]common.Hash, len(s.Txs))
	for i, raw := range s.Txs {
		e.hashes[i] = crypto.Keccak256Hash(raw)
		t := sliceTransaction{Hash: e.hashes[i]}
		if i < len(s.Digests) {
			t.Status, t.GasUsed = s.Digests[i].Status, s.Digests[i].GasUsed
		}
		out.Transactions[i] = t
	}
	return out
}

// window holds the newest records of the log. Whoever follows the log reads it
// at its own pace and keeps its own place; nothing is queued per client.
type window struct {
	mu      sync.Mutex
	entries []*entry
	bytes   int
	tail    eventlog.Cursor
	grown   chan struct{} // closed and replaced when an entry is added
}

func newWindow() *window { return &window{grown: make(chan struct{})} }

func (w *window) add(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.entries); n > 0 && w.entries[n-1].record.Generation != e.record.Generation {
		w.entries, w.bytes = nil, 0
	}
	w.entries, w.bytes, w.tail = append(w.entries, e), w.bytes+e.size, e.record.Cursor
	drop := 0
	for w.bytes > windowBytes || len(w.entries)-drop > windowRecords {
		w.bytes -= w.entries[drop].size
		drop++
	}
	if drop > 0 {
		clear(w.entries[:drop])
		w.entries = w.entries[drop:]
	}
	close(w.grown)
	w.grown = make(chan struct{})
}

// reset starts the window at a place in the log.
func (w *window) reset(tail eventlog.Cursor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries, w.bytes, w.tail = nil, 0, tail
}

// after returns the entries that follow cursor and a channel that is closed
// when there are more. ok is false if the window does not reach back so far.
func (w *window) after(c eventlog.Cursor) (entries []*entry, grown <-chan struct{}, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c == w.tail {
		return nil, w.grown, true
	}
	if len(w.entries) == 0 || c.Generation != w.tail.Generation {
		return nil, w.grown, false
	}
	first := w.entries[0].record.Counter
	if c.Counter+1 < first || c.Counter > w.tail.Counter {
		return nil, w.grown, false
	}
	entries = append(entries, w.entries[c.Counter+1-first:]...)
	return entries, w.grown, true
}

// end returns the place of the newest record.
func (w *window) end() eventlog.Cursor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tail
}
