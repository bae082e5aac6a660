// Package listtest grows chains of random blocks whose block access lists
// (EIP-7928) go-ethereum tells too, for tests of what becomes of the lists.
package listtest

import (
	"context"
	"crypto/ecdsa"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/oracle"
	"github.com/motet-evm/motet/internal/testkit/chaintest"
)

// ChainID is the id of the tests' chain.
const ChainID = 7928

const (
	accounts = 8
	gasLimit = 1_000_000_000
)

// Setup is what a chain may be given; the zero value is fine.
type Setup struct {
	Amsterdam bool
	History   uint64
	Log       *slog.Logger
}

// Chain is a real chain store that grows by a call.
type Chain struct {
	*chain.Chain

	exec      executor.Executor
	rnd       *rand.Rand
	nonces    [accounts]uint64
	contracts []common.Address
	fresh     uint64
}

// started is the time of the genesis. geth indexes the history of young chains at
// once.
//
//nolint:gosec // after 1970
var started = uint64(time.Now().Add(-time.Hour).Unix())

func key(i int) *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i), 'l', 'i', 's', 't'}))
	if err != nil {
		panic(err) // the hash is a key
	}
	return k
}

func address(i int) common.Address { return crypto.PubkeyToAddress(key(i).PublicKey) }

// Open opens the chain in dir. It is closed when the test ends, if the test has
// not done so.
func Open(t testing.TB, dir string, s Setup) *Chain {
	t.Helper()
	alloc := make(map[common.Address]*uint256.Int)
	for i := range accounts {
		alloc[address(i)] = new(uint256.Int).Mul(uint256.NewInt(1e18), uint256.NewInt(10_000))
	}
	genesis := chain.DevGenesis(chain.DevConfig{ChainID: ChainID, GasLimit: gasLimit, Timestamp: started, Alloc: alloc, Amsterdam: s.Amsterdam})
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	serial := executor.NewSerial(executor.Config{})
	c, err := chain.Open(context.Background(), chain.Config{DataDir: dir, Genesis: genesis, CacheMiB: 32, MinFreeMiB: 1, History: s.History}, chain.Deps{
		Log: s.Log,
		Execute: func(ctx context.Context, env chain.BlockEnv) (*motet.Outcome, error) {
			return executor.Replay(ctx, serial, executor.ReplayEnv{
				Config: genesis.Config, Block: env.Block, Parent: env.Parent, State: env.State, BlockHash: env.BlockHash,
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	out := &Chain{Chain: c, exec: executor.NewParallel(executor.Config{Workers: 2}), rnd: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // made to be repeated
	if err := out.rewind(); err != nil {
		t.Fatal(err)
	}
	return out
}

// rewind learns the nonces of the head.
func (c *Chain) rewind() error {
	state, err := c.StateAt(c.Head().Root)
	if err != nil {
		return err
	}
	for i := range c.nonces {
		account, err := state.Account(address(i))
		if err != nil {
			return err
		}
		c.nonces[i] = account.Nonce
	}
	c.contracts = nil
	return nil
}

// Rollback makes an ancestor the head. What grows on it then is another chain.
func (c *Chain) Rollback(t testing.TB, to *types.Block) {
	t.Helper()
	if err := c.Chain.Rollback(context.Background(), motet.RefOf(to.Header())); err != nil {
		t.Fatal(err)
	}
	if err := c.rewind(); err != nil {
		t.Fatal(err)
	}
}

// Contracts of the tests.
var (
	counter  = common.FromHex("5f35805460010190555f35600101545000") // counts in the slot that it is given, reads the next
	reverter = common.FromHex("5f35805460010190555f5ffd")           // does the same in vain
	bomb     = common.FromHex("33ff")                               // destroys itself
	unborn   = common.FromHex("600160015533ff")                     // init code that destroys what it makes
	failing  = common.FromHex("60016001555f5ffd")                   // init code that reverts
	large    = common.FromHex("6160005ff3")                         // init code that makes the largest contract of Osaka
	loader   = common.FromHex("60808060095f395ff3")                 // init code that returns what follows it, up to 128 bytes
)

// Grow adds a block of random transactions: transfers, deployments, calls that
// count, revert and destroy.
func (c *Chain) Grow(t testing.TB, txs int) *types.Block {
	t.Helper()
	list := make([]*types.Transaction, txs)
	for i := range list {
		from, nonce := c.sender()
		tx := types.DynamicFeeTx{Nonce: nonce, Gas: 500_000, Value: new(big.Int)}
		switch kind := c.rnd.IntN(10); {
		case kind < 3 || len(c.contracts) == 0 && kind < 6:
			to := address(c.rnd.IntN(accounts))
			if kind == 0 {
				to = c.nobody()
			}
			tx.To, tx.Value = &to, big.NewInt(int64(c.rnd.IntN(1000)))
		case kind < 6:
			to := c.contracts[c.rnd.IntN(len(c.contracts))]
			tx.To, tx.Data = &to, common.BigToHash(big.NewInt(int64(c.rnd.IntN(4)))).Bytes()
			tx.Value = big.NewInt(int64(c.rnd.IntN(2)))
		case kind == 6:
			tx.Data = [][]byte{unborn, failing}[c.rnd.IntN(2)]
			tx.Value = big.NewInt(int64(c.rnd.IntN(2)))
		default:
			tx.Data = append(append([]byte{}, loader...), [][]byte{counter, reverter, bomb}[c.rnd.IntN(3)]...)
			c.contracts = append(c.contracts, crypto.CreateAddress(address(from), nonce))
		}
		list[i] = sign(t, from, tx)
	}
	return c.seal(t, list)
}

// Transfers adds a block of transfers to accounts that do not exist.
func (c *Chain) Transfers(t testing.TB, txs int) *types.Block {
	t.Helper()
	list := make([]*types.Transaction, txs)
	for i := range list {
		from, nonce := c.sender()
		to := c.nobody()
		list[i] = sign(t, from, types.DynamicFeeTx{Nonce: nonce, Gas: params.TxGas, To: &to, Value: big.NewInt(1)})
	}
	return c.seal(t, list)
}

// Large adds a block whose list is larger than a megabyte, under Osaka rules.
func (c *Chain) Large(t testing.TB) *types.Block {
	t.Helper()
	list := make([]*types.Transaction, 45)
	for i := range list {
		from, nonce := c.sender()
		list[i] = sign(t, from, types.DynamicFeeTx{Nonce: nonce, Gas: 8_000_000, Data: large})
	}
	return c.seal(t, list)
}

func (c *Chain) sender() (from int, nonce uint64) {
	from = c.rnd.IntN(accounts)
	nonce = c.nonces[from]
	c.nonces[from]++
	return from, nonce
}

func (c *Chain) nobody() common.Address {
	c.fresh++
	return common.BytesToAddress(crypto.Keccak256(binaryOf(c.fresh)))
}

func binaryOf(n uint64) []byte { return new(big.Int).SetUint64(n).Bytes() }

func sign(t testing.TB, from int, tx types.DynamicFeeTx) *types.Transaction {
	t.Helper()
	tx.ChainID, tx.GasTipCap, tx.GasFeeCap = big.NewInt(ChainID), big.NewInt(1), big.NewInt(10*params.GWei)
	signed, err := types.SignNewTx(key(from), types.LatestSignerForChainID(tx.ChainID), &tx)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// seal executes the transactions in a block on the head and commits it.
func (c *Chain) seal(t testing.TB, list []*types.Transaction) *types.Block {
	t.Helper()
	parent, config := c.Head(), c.ChainConfig()
	rollup := &motet.Rollup{ChainID: ChainID, Coinbase: common.HexToAddress("0x11"), GasLimitTarget: gasLimit}
	number := parent.Number.Uint64() + 1
	open := rollup.NextOpen(config, parent, parent.Time+1, motet.Origin{Number: number, Hash: common.BigToHash(new(big.Int).SetUint64(number))})
	txs, err := motet.RecoverTxs(types.LatestSigner(config), list)
	if err != nil {
		t.Fatal(err)
	}
	return chaintest.Add(t, c.Chain, c.exec, open, txs)
}

// Want returns the list of a block as geth records it.
func Want(t testing.TB, c *chain.Chain, block *types.Block) *bal.BlockAccessList {
	t.Helper()
	before, err := c.StateAt(c.BlockByHash(block.ParentHash()).Root())
	if err != nil {
		t.Fatal(err)
	}
	db, err := oracle.NewState(before)
	if err != nil {
		t.Fatal(err)
	}
	open := oracle.Open(oracle.Env{Config: c.ChainConfig(), Header: block.Header(), BlockHash: c.BlockHash, Record: true}, db, nil)
	txs, err := motet.RecoverTxs(types.MakeSigner(c.ChainConfig(), block.Number(), block.Time()), block.Transactions())
	if err != nil {
		t.Fatal(err)
	}
	for _, tx := range txs {
		if _, err := open.Apply(tx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open.Finish(context.Background(), block.Withdrawals()); err != nil {
		t.Fatal(err)
	}
	return open.AccessList()
}
