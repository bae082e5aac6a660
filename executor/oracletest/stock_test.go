package oracletest

import (
	"context"
	"crypto/ecdsa"
	"log/slog"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/metrics"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
)

// TestStockGethTakesOurBlocks seals random blocks under Amsterdam rules in a
// chain of ours and has stock go-ethereum import them: once in parallel, along
// the access list, and once one transaction after the other.
func TestStockGethTakesOurBlocks(t *testing.T) {
	metrics.Enable()
	seen := &coverage{errs: make(map[string]int)}
	for seed := range uint64(3) {
		growInStock(t, seeded(seed, 3600), seen)
	}
	t.Logf("%d blocks of %d transactions, %d of them failed", seen.blocks, seen.included, seen.failed)
	if seen.included < 10*seen.blocks || seen.failed == 0 {
		t.Error("the blocks hold too little")
	}
}

func growInStock(t *testing.T, data []byte, seen *coverage) {
	t.Helper()
	w, genesis := amsterdamWorld(t)
	ours, err := chain.Open(t.Context(), chain.Config{DataDir: t.TempDir(), Genesis: genesis, CacheMiB: 32}, chain.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
	}()
	parallel, serial := stockChain(t, genesis, false), stockChain(t, genesis, true)
	execs := []executor.Executor{executor.NewParallel(executor.Config{Workers: 4}), executor.NewSerial(executor.Config{})}
	for i := range blocksPerWorld {
		b, err := grow(w, &choices{rest: data[i*len(data)/blocksPerWorld : (i+1)*len(data)/blocksPerWorld]})
		if err != nil {
			t.Fatal(err)
		}
		seen.add(b)
		block := sealOurs(t, ours, w, b, execs[i%len(execs)])
		w.head = block.Header()
		if block.Root() != w.root {
			t.Fatalf("block %d: the root is %v, by geth's parts %v", i, block.Root(), w.root)
		}
		if want := b.accesses.Hash(); *block.BlockAccessListHash() != want {
			t.Fatalf("block %d: the hash of the access list is %v, by geth's parts %v", i, block.BlockAccessListHash(), want)
		}
		refusesForgery(t, parallel, block)
		parallelImports()
		if _, err := parallel.InsertChain(types.Blocks{block}); err != nil {
			t.Fatalf("block %d of %d transactions, in parallel: %v", i, len(block.Transactions()), err)
		}
		if parallelImports() != 1 {
			t.Fatal("geth did not import in parallel")
		}
		if _, err := serial.InsertChain(types.Blocks{block}); err != nil {
			t.Fatalf("block %d of %d transactions, serially: %v", i, len(block.Transactions()), err)
		}
		if parallelImports() != 0 {
			t.Fatal("geth imported in parallel where it should not")
		}
	}
	if stored := ours.BlockByNumber(1); stored.AccessList() == nil || stored.AccessList().Hash() != *stored.BlockAccessListHash() {
		t.Error("the chain did not store the access list")
	}
}

// parallelImports counts the blocks that geth executed along their access lists
// since it was called last.
func parallelImports() int {
	timer, ok := metrics.Get("chain/execution/parallel/total").(*metrics.ResettingTimer)
	if !ok {
		panic("go-ethereum does not count parallel imports any more")
	}
	return timer.Snapshot().Count()
}

// refusesForgery offers the block with a list that says that the last account
// was not touched, under a header that fits the list.
func refusesForgery(t *testing.T, bc *core.BlockChain, block *types.Block) {
	t.Helper()
	list := append(bal.BlockAccessList{}, *block.AccessList()...)
	list = list[:len(list)-1]
	hash := list.Hash()
	header := block.Header()
	header.BlockAccessListHash = &hash
	forged := types.NewBlockWithHeader(header).WithBody(*block.Body()).WithAccessListUnsafe(&list)
	if _, err := bc.InsertChain(types.Blocks{forged}); err == nil {
		t.Fatal("stock geth takes a forged list: it does not check")
	}
}

func stockChain(t *testing.T, genesis *core.Genesis, serial bool) *core.BlockChain {
	t.Helper()
	options := &core.BlockChainConfig{
		StateScheme: rawdb.PathScheme, NoPrefetch: true, TrieCleanLimit: 1, TrieDirtyLimit: 1, SnapshotLimit: 0,
		VmConfig: vm.Config{DisableParallelExecution: serial},
	}
	bc, err := core.NewBlockChain(rawdb.NewMemoryDatabase(), genesis, beacon.New(ethash.NewFaker()), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bc.Stop)
	return bc
}

// sealOurs executes what geth's parts included, with signatures that count, and
// makes it the next block of the chain.
func sealOurs(t *testing.T, ours *chain.Chain, w *world, b *blockCase, exec executor.Executor) *types.Block {
	t.Helper()
	parent, header := ours.Head(), types.CopyHeader(b.env.Header)
	signer := types.MakeSigner(w.fork.config, header.Number, header.Time)
	txs := make([]*motet.Tx, len(b.included))
	for i, tx := range b.included {
		signed, err := types.SignTx(tx.Transaction, signer, w.keyOf(tx.From))
		if err != nil {
			t.Fatal(err)
		}
		txs[i] = motet.NewTx(signed, tx.From)
		*header.BlobGasUsed += tx.BlobGas()
	}
	base, err := ours.StateAt(parent.Root)
	if err != nil {
		t.Fatal(err)
	}
	open, err := exec.Open(t.Context(), executor.Env{Config: w.fork.config, Header: header, Parent: parent, State: base, BlockHash: ours.BlockHash})
	if err != nil {
		t.Fatal(err)
	}
	for len(txs) > 0 { // slices must not matter
		n := min(len(txs), 7)
		if _, err := open.Verify(t.Context(), txs[:n]); err != nil {
			t.Fatal(err)
		}
		txs = txs[n:]
	}
	out, err := open.Finish(t.Context(), b.withdrawals)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := ours.Seal(parent, out)
	if err != nil {
		t.Fatal(err)
	}
	if err := ours.Commit(context.WithoutCancel(t.Context()), sealed); err != nil {
		t.Fatal(err)
	}
	return sealed.Block
}

func (w *world) keyOf(addr common.Address) *ecdsa.PrivateKey {
	for _, key := range w.keys {
		if crypto.PubkeyToAddress(key.PublicKey) == addr {
			return key
		}
	}
	panic("no key of " + addr.Hex())
}

// amsterdamWorld returns a world whose blocks a real chain takes, and the genesis
// of that chain.
func amsterdamWorld(t *testing.T) (*world, *core.Genesis) {
	t.Helper()
	genesis := chain.DevGenesis(chain.DevConfig{ChainID: chainID, GasLimit: 30_000_000, Timestamp: 1_700_000_000, Amsterdam: true})
	w, err := newWorld(fork{name: "amsterdam chain", config: genesis.Config})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := w.reader()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range append(append(append([]common.Address{}, w.eoas...), w.poor...), w.knives...) {
		account, err := reader.Account(addr)
		if err != nil {
			t.Fatal(err)
		}
		if account == nil {
			continue
		}
		filled := types.Account{Balance: account.Balance.ToBig(), Nonce: account.Nonce, Storage: make(map[common.Hash]common.Hash)}
		filled.Code = reader.Code(addr, common.BytesToHash(account.CodeHash))
		for slot := range int64(16) {
			key := common.BigToHash(big.NewInt(slot))
			if value, err := reader.Storage(addr, key); err != nil {
				t.Fatal(err)
			} else if value != (common.Hash{}) {
				filled.Storage[key] = value
			}
		}
		genesis.Alloc[addr] = filled
	}
	if w.root, err = commitAlloc(w.db, genesis); err != nil {
		t.Fatal(err)
	}
	w.head = genesis.ToBlock().Header()
	if w.root != w.head.Root {
		t.Fatalf("root of the genesis: want %v, got %v", w.head.Root, w.root)
	}
	var hashes []common.Hash
	w.fit = func(h *types.Header) func(uint64) common.Hash {
		hashes = append(hashes, w.head.Hash())
		known := hashes
		slot, requests, withdrawals, blobGas := h.Time, types.EmptyRequestsHash, types.EmptyWithdrawalsHash, uint64(0)
		excess := eip4844.CalcExcessBlobGas(genesis.Config, w.head, h.Time)
		h.GasLimit = core.CalcGasLimit(w.head.GasLimit, genesis.GasLimit)
		h.BaseFee = eip1559.CalcBaseFee(genesis.Config, w.head)
		h.UncleHash, h.WithdrawalsHash, h.RequestsHash = types.EmptyUncleHash, &withdrawals, &requests
		h.BlobGasUsed, h.ExcessBlobGas, h.SlotNumber = &blobGas, &excess, &slot
		return func(n uint64) common.Hash {
			if n < uint64(len(known)) {
				return known[n]
			}
			return common.Hash{}
		}
	}
	return w, genesis
}

func commitAlloc(db state.Database, genesis *core.Genesis) (common.Hash, error) {
	sdb, err := state.New(types.EmptyRootHash, db)
	if err != nil {
		return common.Hash{}, err
	}
	for addr, account := range genesis.Alloc {
		sdb.SetNonce(addr, account.Nonce, tracing.NonceChangeGenesis)
		sdb.SetBalance(addr, uint256.MustFromBig(account.Balance), tracing.BalanceIncreaseGenesisBalance)
		sdb.SetCode(addr, account.Code, tracing.CodeChangeGenesis)
		for key, value := range account.Storage {
			sdb.SetState(addr, key, value)
		}
	}
	return sdb.Commit(params.Rules{IsEIP158: true}, 0)
}
