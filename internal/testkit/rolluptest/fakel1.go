// Package rolluptest has what tests of the rollup side need: an L1 in memory
// that fails on demand, and a chain that grows by a call.
package rolluptest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/l1bridge"
)

// Fault is what happens to a call of FakeL1.
type Fault int

// The faults.
const (
	None    Fault = iota
	Fail          // the call has no effect and fails as an outage does
	Persist       // the call has its effect and fails as an outage does
	Refuse        // the call is refused for good
)

// L1Interval is the distance of L1 blocks in seconds.
const L1Interval = 12

// FakeL1 is an L1 with an Inbox, in memory. It builds a block whenever a batch is
// sent. It implements what the batcher and the replica ask of L1.
type FakeL1 struct {
	// Faults is asked at every call, by its name: Head, Finalized, Block, Next,
	// Prepare, Send, Wait. It may be nil.
	Faults func(call string) Fault

	mu        sync.Mutex
	blocks    []*motet.L1Block
	finality  uint64
	fork      uint64 // makes hashes differ after a reorganisation
	genesisAt uint64
	mined     map[common.Hash]uint64 // transaction to block
}

// NewFakeL1 returns an L1 whose genesis has that time and whose finalized block
// lies that many blocks behind its head.
func NewFakeL1(genesisTime, finality uint64) *FakeL1 {
	l := &FakeL1{finality: finality, genesisAt: genesisTime, mined: map[common.Hash]uint64{}}
	l.mine()
	return l
}

func (l *FakeL1) fault(call string) error { return faultError(call, l.asked(call)) }

func (l *FakeL1) asked(call string) Fault {
	if l.Faults == nil {
		return None
	}
	return l.Faults(call)
}

func faultError(call string, f Fault) error {
	switch f {
	case Fail, Persist:
		return fmt.Errorf("%s: %w", call, motet.ErrUnavailable)
	case Refuse:
		return fmt.Errorf("%s: %w", call, l1bridge.ErrRefused)
	default:
		return nil
	}
}

// mine adds a block. The lock is held.
func (l *FakeL1) mine(batches ...motet.PostedBatch) {
	n := uint64(len(l.blocks))
	var parent common.Hash
	if n > 0 {
		parent = l.blocks[n-1].Origin.Hash
	}
	hash := sha256.Sum256(binary.BigEndian.AppendUint64(parent[:], l.fork))
	l.blocks = append(l.blocks, &motet.L1Block{
		Origin:     motet.Origin{Number: n, Hash: hash, Time: l.genesisAt + n*L1Interval, PrevRandao: common.Hash{byte(n)}},
		ParentHash: parent, Batches: batches,
	})
}

// Mine adds n empty blocks.
func (l *FakeL1) Mine(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.mine()
	}
}

// Reorg replaces the newest depth blocks by as many and one more empty ones. The
// batches in them are lost.
func (l *FakeL1) Reorg(depth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fork++
	l.blocks = l.blocks[:len(l.blocks)-depth]
	for hash, n := range l.mined {
		if n >= uint64(len(l.blocks)) {
			delete(l.mined, hash)
		}
	}
	for range depth + 1 {
		l.mine()
	}
}

// Inject posts a batch that no batcher made.
func (l *FakeL1) Inject(header motet.BatchHeader, payload []byte) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	tip := l.tip()
	l.mine(motet.PostedBatch{Index: tip.Index, Acc: accumulate(tip.Acc, payload), Header: header, Payload: payload})
	return tip.Index
}

// Origin returns the block of that number.
func (l *FakeL1) Origin(n uint64) motet.Origin {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocks[n].Origin
}

// Batches returns every batch in order.
func (l *FakeL1) Batches() (all []motet.PostedBatch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks {
		all = append(all, b.Batches...)
	}
	return all
}

// Head implements replica.L1.
func (l *FakeL1) Head(context.Context) (motet.Origin, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocks[len(l.blocks)-1].Origin, l.fault("Head")
}

// Finalized implements replica.L1.
func (l *FakeL1) Finalized(context.Context) (motet.Origin, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(len(l.blocks) - 1)
	return l.blocks[n-min(n, l.finality)].Origin, l.fault("Finalized")
}

// Block implements replica.L1.
func (l *FakeL1) Block(_ context.Context, n uint64) (*motet.L1Block, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= uint64(len(l.blocks)) {
		return nil, ethereum.NotFound
	}
	return l.blocks[n], l.fault("Block")
}

func accumulate(prev common.Hash, payload []byte) common.Hash {
	return sha256.Sum256(append(prev.Bytes(), payload...))
}

// tip reads the Inbox. The lock is held.
func (l *FakeL1) tip() (t l1bridge.Tip) {
	for _, b := range l.blocks {
		for _, batch := range b.Batches {
			t = l1bridge.Tip{
				Index: batch.Index + 1, Acc: batch.Acc, LastBlock: batch.Header.LastBlock,
				LastComplete: batch.Header.LastComplete, L1Block: b.Origin.Number,
			}
		}
	}
	return t
}

// Next implements batcher.Inbox.
func (l *FakeL1) Next(context.Context) (l1bridge.Tip, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tip(), l.fault("Next")
}

// Prepare implements batcher.Inbox.
func (l *FakeL1) Prepare(_ context.Context, b l1bridge.Batch) (*l1bridge.Signed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fault("Prepare"); err != nil {
		return nil, err
	}
	acc := accumulate(b.PrevAcc, b.Payload)
	return &l1bridge.Signed{
		Index: b.Index, PrevAcc: b.PrevAcc, Acc: acc, Header: b.Header, Hash: acc, Raw: b.Payload,
	}, nil
}

// Send implements batcher.Inbox.
func (l *FakeL1) Send(_ context.Context, s *l1bridge.Signed) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fault := l.asked("Send")
	if fault == Fail || fault == Refuse {
		return faultError("Send", fault)
	}
	if _, known := l.mined[s.Hash]; !known {
		if tip := l.tip(); tip.Index == s.Index && tip.Acc == s.PrevAcc {
			l.mine(motet.PostedBatch{Index: s.Index, Acc: s.Acc, Header: s.Header, TxHash: s.Hash, Payload: s.Raw})
			l.mined[s.Hash] = uint64(len(l.blocks) - 1)
		}
	}
	return faultError("Send", fault)
}

// Wait implements batcher.Inbox.
func (l *FakeL1) Wait(_ context.Context, hash common.Hash) (*types.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fault("Wait"); err != nil {
		return nil, err
	}
	n, ok := l.mined[hash]
	if !ok {
		return nil, &l1bridge.RevertError{Name: "WrongIndex", Tx: hash}
	}
	return &types.Receipt{Status: types.ReceiptStatusSuccessful, TxHash: hash, BlockNumber: new(big.Int).SetUint64(n)}, nil
}
