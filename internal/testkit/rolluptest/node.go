package rolluptest

import (
	"context"
	"crypto/ecdsa"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/testkit/chaintest"
)

// ChainID is the id of the tests' chain.
const ChainID = 7357

const (
	gasLimit = 30_000_000
	accounts = 16
)

// GenesisTime is the time of block 0. geth indexes the history of young chains
// at once.
func GenesisTime() uint64 { return uint64(time.Now().Add(-time.Hour).Unix()) } //nolint:gosec // after 1970

func key(i int) *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i), 'r', 'o', 'l'}))
	if err != nil {
		panic(err)
	}
	return k
}

// Genesis returns the genesis of the tests' chain.
func Genesis(time uint64) *core.Genesis {
	alloc := make(map[common.Address]*uint256.Int)
	for i := range accounts {
		alloc[crypto.PubkeyToAddress(key(i).PublicKey)] = new(uint256.Int).Mul(uint256.NewInt(1e18), uint256.NewInt(10_000))
	}
	return chain.DevGenesis(chain.DevConfig{ChainID: ChainID, GasLimit: gasLimit, Timestamp: time, Alloc: alloc})
}

// Rollup ties the chain to an L1 that begins with the given block.
func Rollup(genesis common.Hash, l1 motet.Origin) *motet.Rollup {
	return &motet.Rollup{
		ChainID: ChainID, GenesisHash: genesis, L1Genesis: motet.BlockRef{Number: l1.Number, Hash: l1.Hash},
		Coinbase: common.HexToAddress("0x11"), GasLimitTarget: gasLimit, BlockTime: 1,
	}
}

// Chain is a chain store: a chain.Chain or a Ledger.
type Chain interface {
	ChainConfig() *params.ChainConfig
	Genesis() *types.Block
	Head() *types.Header
	HeaderByNumber(n uint64) *types.Header
	BlockByNumber(n uint64) *types.Block
	BlockHash(n uint64) common.Hash
	StateAt(root common.Hash) (state.Reader, error)
	Seal(parent *types.Header, out *motet.Outcome) (*chain.Sealed, error)
	Commit(ctx context.Context, s *chain.Sealed) error
	Rollback(ctx context.Context, to motet.BlockRef) error
	Heads() motet.Heads
	Label(safe, finalized motet.BlockRef) error
}

// Node is a chain that grows by a call.
type Node struct {
	Chain
	Rollup *motet.Rollup

	exec   executor.Executor
	nonces [accounts]uint64
}

// NewNode returns a node on a chain, with what executes for it.
func NewNode(c Chain, exec executor.Executor, rollup *motet.Rollup) *Node {
	return &Node{Chain: c, Rollup: rollup, exec: exec}
}

// Open opens the chain in dir, with geth beneath. It is closed when the test ends,
// if the test has not done so.
func Open(t testing.TB, dir string, genesis *core.Genesis) *chain.Chain {
	t.Helper()
	c, err := chain.Open(context.Background(), chain.Config{DataDir: dir, Genesis: genesis, CacheMiB: 32},
		chain.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Sign returns a transaction of the i-th account as it travels. Its chain id and
// fees are filled in.
func Sign(t testing.TB, i int, tx types.DynamicFeeTx) *types.Transaction {
	t.Helper()
	tx.ChainID, tx.GasTipCap, tx.GasFeeCap = big.NewInt(ChainID), big.NewInt(1), big.NewInt(10e9)
	signed, err := types.SignNewTx(key(i), types.LatestSignerForChainID(tx.ChainID), &tx)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Grow adds a block on the origin with that many transfers.
func (n *Node) Grow(t testing.TB, origin motet.Origin, transfers int) *types.Block {
	t.Helper()
	parent := n.Head()
	open := n.Rollup.NextOpen(n.ChainConfig(), parent, max(parent.Time+1, origin.Time), origin)
	signer := types.LatestSigner(n.ChainConfig())
	txs := make([]*motet.Tx, transfers)
	for i := range txs {
		from := i % accounts
		to := common.BigToAddress(big.NewInt(int64(1000 + i)))
		tx := Sign(t, from, types.DynamicFeeTx{Nonce: n.nonces[from], Gas: params.TxGas, To: &to, Value: big.NewInt(1)})
		n.nonces[from]++
		var err error
		if txs[i], err = motet.RecoverTx(signer, tx); err != nil {
			t.Fatal(err)
		}
	}
	return chaintest.Add(t, n.Chain, n.exec, open, txs)
}
