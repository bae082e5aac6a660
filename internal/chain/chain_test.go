package chain

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet"
)

// counterCode adds one to slot 0 and emits an empty log; with call data it reverts.
var counterCode = common.FromHex("0x36601657600160005401600055600060" + "00a0005b60006000fd")

// stockChain is another instance of go-ethereum's chain, as its users run it.
func stockChain(t testing.TB, g *core.Genesis) *core.BlockChain {
	t.Helper()
	conf := core.DefaultConfig()
	conf.SlowBlockThreshold, conf.SnapshotLimit = -1, 0
	bc, err := core.NewBlockChain(rawdb.NewMemoryDatabase(), g, beacon.New(ethash.NewFaker()), conf)
	noErr(t, err)
	t.Cleanup(bc.Stop)
	return bc
}

// blockMaker extends a chain with blocks of all kinds of transactions.
type blockMaker struct {
	*sut
	rnd      *rand.Rand
	nonces   [10]uint64
	counters []common.Address
}

func newBlockMaker(s *sut) *blockMaker {
	return &blockMaker{sut: s, rnd: rand.New(rand.NewPCG(1, 2))}
}

func (m *blockMaker) next(i int) uint64 { m.nonces[i]++; return m.nonces[i] - 1 }

func (m *blockMaker) txs() []*types.Transaction {
	var txs []*types.Transaction
	for range m.rnd.IntN(12) {
		i := m.rnd.IntN(9) // account 9 makes the self-destructing contracts
		switch kind := m.rnd.IntN(10); {
		case kind < 4:
			txs = append(txs, transfer(i, m.next(i), common.Address{byte(m.rnd.IntN(20)), 1}))
		case kind < 5:
			m.counters = append(m.counters, crypto.CreateAddress(testAddr(i), m.nonces[i]))
			txs = append(txs, deploy(i, m.next(i), counterCode))
		case kind < 8 && len(m.counters) > 0:
			txs = append(txs, call(i, m.next(i), m.counters[m.rnd.IntN(len(m.counters))]))
		case kind < 9 && len(m.counters) > 0:
			txs = append(txs, call(i, m.next(i), m.counters[0], 1)) // reverts
		default:
			// Fund an address, destroy what is created there, perhaps fund it again.
			addr := crypto.CreateAddress(testAddr(9), m.nonces[9])
			txs = append(txs, transfer(i, m.next(i), addr), create(9, m.next(9), []byte{0x33, 0xff}))
			if m.rnd.IntN(2) == 0 {
				txs = append(txs, transfer(i, m.next(i), addr))
			}
		}
	}
	return txs
}

func (m *blockMaker) extend() *types.Block {
	m.t.Helper()
	out := m.build(m.txs()...)
	sealed, err := m.Seal(m.Head(), out)
	noErr(m.t, err)
	noErr(m.t, m.Commit(m.t.Context(), sealed))
	return sealed.Block
}

// Every block that Seal makes is valid for a stock node that starts from the
// genesis file, and both agree on receipts and state.
func TestStockNodeAcceptsBlocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "genesis.json")
	noErr(t, WriteGenesis(path, testGenesis()))
	genesis, err := ReadGenesis(path)
	noErr(t, err)
	stock := stockChain(t, genesis)

	m := newBlockMaker(newSUT(t, func(c *Config, _ *Deps) { c.FlushBlocks = 7 }))
	equal(t, stock.Genesis().Hash(), m.Genesis().Hash())
	txs := 0
	for range 60 {
		block := m.extend()
		txs += len(block.Transactions())
		if _, err := stock.InsertChain(types.Blocks{block}); err != nil {
			t.Fatalf("stock node refuses block %d: %v", block.NumberU64(), err)
		}
		equal(t, block.Hash(), stock.CurrentBlock().Hash())
		m.checkSenders(block)
		equal(t, stock.GetReceiptsByHash(block.Hash()), m.ReceiptsOf(block))
	}
	if txs < 100 || len(m.counters) < 5 {
		t.Fatalf("only %d transactions and %d contracts: the test shows nothing", txs, len(m.counters))
	}
	if reqs := *m.Head().RequestsHash; reqs != types.EmptyRequestsHash {
		t.Fatalf("requests hash %s is not that of the empty list", reqs)
	}
}

// checkSenders compares the senders that geth's cache knows with the recovered ones.
func (s *sut) checkSenders(block *types.Block) {
	s.t.Helper()
	signer := types.LatestSigner(s.ChainConfig())
	cached := s.BlockByHash(block.Hash()).Transactions()
	for i, tx := range block.Transactions() {
		want, err := signer.Sender(tx)
		noErr(s.t, err)
		got, err := types.Sender(signer, cached[i])
		noErr(s.t, err)
		equal(s.t, want, got)
	}
}

func TestResetAndDeletedAccounts(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	addr := crypto.CreateAddress(testAddr(9), 0)
	s.extend(transfer(0, 0, addr))
	stock := stockChain(t, testGenesis())

	out := s.build(create(9, 0, []byte{0x33, 0xff}), transfer(0, 1, addr))
	found := false
	for i := range out.Changes.Accounts {
		if a := &out.Changes.Accounts[i]; a.Address == addr {
			a.Reset, found = true, true
		}
	}
	equal(t, true, found)
	sealed, err := s.Seal(s.Head(), out)
	noErr(t, err)
	noErr(t, s.Commit(t.Context(), sealed))
	deleted := s.extend(create(9, 1, []byte{0x33, 0xff}))

	_, err = stock.InsertChain(types.Blocks{s.BlockByNumber(1), sealed.Block, deleted})
	noErr(t, err)
	equal(t, s.Head().Hash(), stock.CurrentBlock().Hash())
}

func TestWithdrawalsAndEmptyBlocks(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	parent := s.Head()
	empty := s.extend()
	if empty.Root() == parent.Root {
		t.Fatal("an empty block stores its origin and its parent's hash, yet the root is the same")
	}
	out := s.build()
	header := types.CopyHeader(out.Header)
	withdrawals := types.Withdrawals{{Index: 0, Validator: 7, Address: common.Address{0xd}, Amount: 5}, {Index: 1, Validator: 7, Address: common.Address{0xe}, Amount: 6}}
	reader, err := s.StateAt(s.Head().Root)
	noErr(t, err)
	out, err = executeOn(s.ChainConfig(), header, s.Head(), reader, nil, withdrawals, s.BlockHash)
	noErr(t, err)
	sealed, err := s.Seal(s.Head(), out)
	noErr(t, err)
	noErr(t, s.Commit(t.Context(), sealed))

	stock := stockChain(t, testGenesis())
	_, err = stock.InsertChain(types.Blocks{empty, sealed.Block})
	noErr(t, err)
}

// A block whose executor lost its changes must not become canonical.
func TestUnchangedStateHalts(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	out := s.build()
	out.Changes = &motet.StateChanges{}
	sealed, err := s.Seal(s.Head(), out)
	noErr(t, err)
	if err := s.Commit(t.Context(), sealed); !errors.Is(err, motet.ErrHalt) {
		t.Fatalf("Commit says %v, want ErrHalt", err)
	}
	equal(t, uint64(0), s.Head().Number.Uint64())
	s.extend(transfer(0, 0, common.Address{1}))
}

func TestSealChecksExistingBlocks(t *testing.T) {
	t.Parallel()
	s, other := newSUT(t), newSUT(t)
	block := other.extend(transfer(0, 0, common.Address{1}))
	out := s.build(transfer(0, 0, common.Address{1}))
	out.Header = block.Header()
	_, err := s.Seal(s.Head(), out)
	noErr(t, err)

	out.Changes.Accounts[0].Nonce++
	_, err = s.Seal(s.Head(), out)
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || mismatch.Field != "stateRoot" || mismatch.Want != block.Hash() {
		t.Fatalf("Seal says %v, want a mismatch of the state root", err)
	}
}

func TestCommitOrder(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	genesis := s.Head()
	first, err := s.Seal(genesis, s.build(transfer(0, 0, common.Address{1})))
	noErr(t, err)
	rival, err := s.Seal(genesis, s.build(transfer(0, 0, common.Address{2})))
	noErr(t, err)
	noErr(t, s.Commit(t.Context(), first))
	noErr(t, s.Commit(t.Context(), first)) // again: nothing happens
	if err := s.Commit(t.Context(), rival); !errors.Is(err, ErrNotOnHead) {
		t.Fatalf("Commit says %v, want ErrNotOnHead", err)
	}
	if _, err := s.Seal(genesis, s.build()); !errors.Is(err, ErrNotOnHead) {
		t.Fatalf("Seal says %v, want ErrNotOnHead", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	next, err := s.Seal(s.Head(), s.build())
	noErr(t, err)
	if err := s.Commit(cancelled, next); !errors.Is(err, context.Canceled) {
		t.Fatalf("Commit says %v, want context.Canceled", err)
	}
	// A flush between Seal and Commit makes the opened tries stale.
	s.mu.Lock()
	noErr(t, s.flushHead())
	s.mu.Unlock()
	noErr(t, s.Commit(t.Context(), next))
	equal(t, next.Block.Hash(), s.Head().Hash())
}

// Blocks that arrive one by one push no state out of memory before the history
// of states can be read.
func TestImportKeepsStates(t *testing.T) {
	t.Parallel()
	m, s := newBlockMaker(newSUT(t)), newSUT(t, func(c *Config, _ *Deps) { c.FlushInterval = time.Hour })
	for n := range uint64(10) {
		_, err := s.Import(t.Context(), types.Blocks{m.extend()})
		noErr(t, err)
		for i := uint64(1); i <= n+1; i++ {
			_, err := s.StateAt(s.HeaderByNumber(i).Root)
			noErr(t, err)
		}
	}
	equal(t, uint64(1), s.flush.flushed.Number)
}

func TestImportExport(t *testing.T) {
	t.Parallel()
	m := newBlockMaker(newSUT(t))
	var blocks types.Blocks
	for range 20 {
		blocks = append(blocks, m.extend())
	}
	var file bytes.Buffer
	noErr(t, m.Export(&file, 1, 20))

	s := newSUT(t, func(c *Config, _ *Deps) { c.FlushBlocks = 8 })
	sub := s.Subscribe()
	defer sub.Close()
	var read types.Blocks
	for stream := rlp.NewStream(&file, 0); ; {
		block := new(types.Block)
		if err := stream.Decode(block); err != nil {
			break
		}
		read = append(read, block)
	}
	n, err := s.Import(t.Context(), read)
	noErr(t, err)
	equal(t, 20, n)
	equal(t, m.Head().Hash(), s.Head().Hash())
	for _, want := range blocks {
		ev, err := sub.Next(t.Context())
		noErr(t, err)
		equal(t, want.Hash(), ev.Block.Hash())
		equal(t, len(want.Transactions()), len(ev.Receipts))
	}
	n, err = s.Import(t.Context(), read) // known blocks
	noErr(t, err)
	equal(t, 20, n)

	header := types.CopyHeader(s.Head())
	header.Number, header.ParentHash = big.NewInt(21), s.Head().Hash()
	n, err = s.Import(t.Context(), types.Blocks{types.NewBlockWithHeader(header)})
	if err == nil || n != 0 {
		t.Fatalf("an invalid block was imported (%d)", n)
	}
	s.extend() // and our own blocks go on after imported ones
}
