package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/motet-evm/motet/internal/oracle"
)

// storedWitness is what a block is executed on by those who have no state: the trie
// nodes and codes that it reads, as of core/stateless.
type storedWitness struct {
	Codes []hexutil.Bytes `json:"codes"`
	State []hexutil.Bytes `json:"state"`
}

// database returns the tries that the witness holds parts of.
func (w *storedWitness) database() *state.MPTDatabase {
	disk := rawdb.NewMemoryDatabase()
	for _, code := range w.Codes {
		rawdb.WriteCode(disk, crypto.Keccak256Hash(code), code)
	}
	for _, node := range w.State {
		rawdb.WriteLegacyTrieNode(disk, crypto.Keccak256Hash(node), node)
	}
	return state.NewMPTDatabase(triedb.NewDatabase(disk, triedb.HashDefaults), state.NewCodeDB(disk))
}

// takeWitness takes a block from its RLP and finds out what it reads: geth executes it
// on the witness and must come to the header's state root. A partial trie does not
// tell by itself which accounts it holds, since it knows the hashes of addresses only.
func (b *recordedBlock) takeWitness(stored *storedBlock) error {
	var block types.Block
	if err := rlp.DecodeBytes(stored.Block, &block); err != nil {
		return fmt.Errorf("decode block: %w", err)
	}
	if block.Hash() != stored.Hash {
		return fmt.Errorf("the block has hash %v, not %v", block.Hash(), stored.Hash)
	}
	if types.CalcUncleHash(block.Uncles()) != block.UncleHash() {
		return errors.New("uncles differ from the header's hash")
	}
	b.header, b.withdrawals = block.Header(), block.Withdrawals()
	b.hashes = map[uint64]common.Hash{block.NumberU64() - 1: block.ParentHash()}
	if err := b.takeSigned(block.Transactions()); err != nil {
		return err
	}

	tries := stored.Witness.database()
	inner, err := tries.Reader(stored.PreStateRoot)
	if err != nil {
		return fmt.Errorf("open the witness: %w", err)
	}
	b.state = oracle.NewMemory()
	db, err := state.NewWithReader(stored.PreStateRoot, tries, &stateRecorder{inner: inner, into: b.state})
	if err != nil {
		return fmt.Errorf("open the witness: %w", err)
	}
	if _, err := execOn(context.Background(), b, db, nil); err != nil {
		return fmt.Errorf("execute on the witness: %w", err)
	}
	if block.Difficulty().Sign() != 0 {
		ethash.NewFaker().Finalize(chainOf{config: b.config}, block.Header(), db, block.Body())
	}
	root := db.IntermediateRoot(b.config.Rules(b.header.Number, block.Difficulty().Sign() == 0, b.header.Time))
	if err := db.Error(); err != nil {
		return fmt.Errorf("execute on the witness: %w", err)
	}
	if root != b.header.Root {
		return fmt.Errorf("go-ethereum comes to state root %v on the witness, the header says %v", root, b.header.Root)
	}
	for _, a := range b.state.Accounts {
		// A witness lacks the code of a contract that is only looked at. Something stands
		// for it, which nothing that holds can have read.
		if a.CodeHash != types.EmptyCodeHash && b.state.Codes[a.CodeHash] == nil {
			b.state.Codes[a.CodeHash] = []byte{byte(vm.INVALID)}
		}
	}
	return nil
}

// chainOf is what ethash asks for the block reward.
type chainOf struct {
	consensus.ChainHeaderReader

	config *params.ChainConfig
}

func (c chainOf) Config() *params.ChainConfig { return c.config }

// stateRecorder keeps what is read.
type stateRecorder struct {
	inner state.Reader
	into  *oracle.Memory
}

// Account implements state.StateReader.
func (r *stateRecorder) Account(addr common.Address) (*types.StateAccount, error) {
	a, err := r.inner.Account(addr)
	if err != nil || a == nil {
		return a, err
	}
	if r.into.Accounts[addr] == nil {
		r.into.Accounts[addr] = &oracle.MemoryAccount{
			Balance: *a.Balance, Nonce: a.Nonce, CodeHash: common.BytesToHash(a.CodeHash), Storage: make(map[common.Hash]common.Hash),
		}
	}
	return a, nil
}

// Storage implements state.StateReader.
func (r *stateRecorder) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	value, err := r.inner.Storage(addr, slot)
	if a := r.into.Accounts[addr]; err == nil && a != nil {
		a.Storage[slot] = value
	}
	return value, err
}

// Has implements state.ContractCodeReader.
func (r *stateRecorder) Has(addr common.Address, hash common.Hash) bool {
	return len(r.Code(addr, hash)) > 0
}

// Code implements state.ContractCodeReader.
func (r *stateRecorder) Code(addr common.Address, hash common.Hash) []byte {
	code := r.inner.Code(addr, hash)
	if len(code) > 0 {
		r.into.Codes[hash] = code
	}
	return code
}

// CodeSize implements state.ContractCodeReader.
func (r *stateRecorder) CodeSize(addr common.Address, hash common.Hash) int {
	return len(r.Code(addr, hash))
}
