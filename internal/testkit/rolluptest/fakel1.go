// Package rolluptest has what tests of the rollup side need: an L1 in memory
// that fails on demand, a chain that grows by a call, one without execution, and
// derivation by itself as the judge of what was posted.
package rolluptest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

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
	None     Fault = iota
	Fail           // the call has no effect and fails as an outage does
	Persist        // the call has its effect and fails as an outage does
	Refuse         // the call is refused for good
	Displace       // the call finds the nonce used
)

// L1Interval is the distance of L1 blocks in seconds.
const L1Interval = 12

// FakeL1 is an L1 with an Inbox, in memory. It implements what the batcher and
// the replica ask of L1.
type FakeL1 struct {
	// Faults is asked at every call, by its name: Head, Finalized, Block, Next,
	// Prepare, Send, Wait. It may be nil, and must not be set while calls run.
	Faults func(call string) Fault
	// Manual keeps what is sent in a pool until Mine. Otherwise Send mines it.
	Manual bool

	mu        sync.Mutex
	blocks    []*motet.L1Block
	pool      []*l1bridge.Signed
	finality  uint64
	fork      uint64 // makes hashes differ after a reorganisation
	nonce     uint64
	genesisAt uint64
	receipts  map[common.Hash]*types.Receipt
}

// NewFakeL1 returns an L1 whose genesis has that time and whose finalized block
// lies that many blocks behind its head.
func NewFakeL1(genesisTime, finality uint64) *FakeL1 {
	l := &FakeL1{finality: finality, genesisAt: genesisTime, receipts: map[common.Hash]*types.Receipt{}}
	l.mine()
	return l
}

func (l *FakeL1) ask(call string) Fault {
	if l.Faults == nil {
		return None
	}
	return l.Faults(call)
}

// enter asks for the fault of a call and takes the lock. The error is for calls
// that have no effect.
func (l *FakeL1) enter(call string) error {
	f := l.ask(call)
	l.mu.Lock()
	return faultError(call, f)
}

func faultError(call string, f Fault) error {
	switch f {
	case Fail, Persist:
		return fmt.Errorf("%s: %w", call, motet.ErrUnavailable)
	case Refuse:
		return fmt.Errorf("%s: %w", call, l1bridge.ErrRefused)
	case Displace:
		return fmt.Errorf("%s: %w", call, l1bridge.ErrDisplaced)
	case None:
	}
	return nil
}

// mine adds a block. The lock is held.
func (l *FakeL1) mine(batches ...motet.PostedBatch) *motet.L1Block {
	n := uint64(len(l.blocks))
	var parent common.Hash
	if n > 0 {
		parent = l.blocks[n-1].Origin.Hash
	}
	hash := sha256.Sum256(binary.BigEndian.AppendUint64(parent[:], l.fork))
	b := &motet.L1Block{
		Origin:     motet.Origin{Number: n, Hash: hash, Time: l.genesisAt + n*L1Interval, PrevRandao: common.Hash{byte(n)}},
		ParentHash: parent, Batches: batches,
	}
	l.blocks = append(l.blocks, b)
	return b
}

// include mines a transaction, which the Inbox accepts or not.
func (l *FakeL1) include(s *l1bridge.Signed) {
	if l.receipts[s.Hash] != nil {
		return
	}
	receipt := &types.Receipt{TxHash: s.Hash, Status: types.ReceiptStatusFailed}
	var batches []motet.PostedBatch
	if tip := l.tip(); tip.Index == s.Index && tip.Acc == s.PrevAcc {
		receipt.Status = types.ReceiptStatusSuccessful
		batches = append(batches, motet.PostedBatch{Index: s.Index, Acc: s.Acc, Header: s.Header, TxHash: s.Hash, Payload: s.Raw})
	}
	receipt.BlockNumber = new(big.Int).SetUint64(l.mine(batches...).Origin.Number)
	l.receipts[s.Hash] = receipt
}

// Mine adds n blocks without batches, after those of the pool.
func (l *FakeL1) Mine(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.pool {
		l.include(s)
	}
	l.pool = nil
	for range n {
		l.mine()
	}
}

// Evict empties the pool and tells how many transactions were in it.
func (l *FakeL1) Evict() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.pool)
	l.pool = nil
	return n
}

// Reorg replaces the newest depth blocks, all but the genesis at most, by as many
// and one more empty ones. The batches in them are lost.
func (l *FakeL1) Reorg(depth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fork++
	depth = min(depth, len(l.blocks)-1)
	l.blocks = slices.Clone(l.blocks[:len(l.blocks)-depth])
	for hash, r := range l.receipts {
		if r.BlockNumber.Uint64() >= uint64(len(l.blocks)) {
			delete(l.receipts, hash)
		}
	}
	for range depth + 1 {
		l.mine()
	}
}

// Inject posts a batch that no batcher made, as the next one. The payload may
// depend on its index.
func (l *FakeL1) Inject(header *motet.BatchHeader, payload []byte) uint64 {
	return l.InjectAll(Injection{header, payload})
}

// Injection is a batch that no batcher made.
type Injection struct {
	Header  *motet.BatchHeader
	Payload []byte
}

// InjectAll posts batches in one L1 block and returns its number.
func (l *FakeL1) InjectAll(injected ...Injection) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	tip := l.tip()
	batches := make([]motet.PostedBatch, len(injected))
	for i, in := range injected {
		tip.Acc = accumulate(tip.Acc, in.Header, in.Payload)
		batches[i] = motet.PostedBatch{Index: tip.Index + uint64(i), Acc: tip.Acc, Header: *in.Header, Payload: in.Payload}
	}
	return l.mine(batches...).Origin.Number
}

// Origin returns the block of that number.
func (l *FakeL1) Origin(n uint64) motet.Origin {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocks[n].Origin
}

// Newest returns the head.
func (l *FakeL1) Newest() motet.Origin {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocks[len(l.blocks)-1].Origin
}

// Blocks returns every block in order.
func (l *FakeL1) Blocks() []*motet.L1Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.blocks)
}

// Batches returns every batch in order.
func (l *FakeL1) Batches() (all []motet.PostedBatch) {
	for _, b := range l.Blocks() {
		all = append(all, b.Batches...)
	}
	return all
}

// Head implements replica.L1.
func (l *FakeL1) Head(context.Context) (motet.Origin, error) {
	err := l.enter("Head")
	defer l.mu.Unlock()
	return l.blocks[len(l.blocks)-1].Origin, err
}

// Finalized implements replica.L1.
func (l *FakeL1) Finalized(context.Context) (motet.Origin, error) {
	err := l.enter("Finalized")
	defer l.mu.Unlock()
	n := uint64(len(l.blocks) - 1)
	return l.blocks[n-min(n, l.finality)].Origin, err
}

// Block implements replica.L1.
func (l *FakeL1) Block(_ context.Context, n uint64) (*motet.L1Block, error) {
	err := l.enter("Block")
	defer l.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case n >= uint64(len(l.blocks)):
		return nil, ethereum.NotFound
	default:
		return l.blocks[n], nil
	}
}

func accumulate(prev common.Hash, header *motet.BatchHeader, payload []byte) common.Hash {
	enc, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(slices.Concat(prev.Bytes(), enc, payload))
}

// tip reads the Inbox. The lock is held.
func (l *FakeL1) tip() (t l1bridge.Tip) {
	for _, b := range l.blocks {
		for i := range b.Batches {
			batch := &b.Batches[i]
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
	err := l.enter("Next")
	defer l.mu.Unlock()
	return l.tip(), err
}

// Prepare implements batcher.Inbox.
func (l *FakeL1) Prepare(_ context.Context, b l1bridge.Batch) (*l1bridge.Signed, error) {
	err := l.enter("Prepare")
	defer l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	head := l.blocks[len(l.blocks)-1]
	b.Header.GuardNumber, b.Header.GuardHash = head.Origin.Number-1, head.ParentHash
	acc := accumulate(b.PrevAcc, &b.Header, b.Payload)
	l.nonce++
	return &l1bridge.Signed{
		Index: b.Index, PrevAcc: b.PrevAcc, Acc: acc, Header: b.Header, Nonce: l.nonce,
		Hash: sha256.Sum256(binary.BigEndian.AppendUint64(acc[:], l.nonce)), Raw: b.Payload,
	}, nil
}

// Send implements batcher.Inbox.
func (l *FakeL1) Send(_ context.Context, s *l1bridge.Signed) error {
	fault := l.ask("Send")
	l.mu.Lock()
	defer l.mu.Unlock()
	if fault != None && fault != Persist {
		return faultError("Send", fault)
	}
	known := func(p *l1bridge.Signed) bool { return p.Hash == s.Hash }
	switch {
	case !l.Manual:
		l.include(s)
	case l.receipts[s.Hash] == nil && !slices.ContainsFunc(l.pool, known):
		l.pool = append(l.pool, s)
	}
	return faultError("Send", fault)
}

// Wait implements batcher.Inbox.
func (l *FakeL1) Wait(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	if err := faultError("Wait", l.ask("Wait")); err != nil {
		return nil, err
	}
	for {
		l.mu.Lock()
		receipt := l.receipts[hash]
		l.mu.Unlock()
		switch {
		case receipt == nil:
		case receipt.Status != types.ReceiptStatusSuccessful:
			return receipt, &l1bridge.RevertError{Name: "WrongIndex", Tx: hash}
		default:
			return receipt, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
