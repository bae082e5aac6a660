package mempool

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// gethChain backs go-ethereum's pool with a fixed state.
type gethChain struct {
	config *params.ChainConfig
	head   *types.Header
	state  *state.StateDB
}

func (c *gethChain) Config() *params.ChainConfig { return c.config }

func (c *gethChain) CurrentBlock() *types.Header { return c.head }

func (c *gethChain) GetBlock(common.Hash, uint64) *types.Block {
	return types.NewBlockWithHeader(c.head)
}

func (c *gethChain) StateAt(common.Hash, *big.Int, uint64) (*state.StateDB, error) {
	return c.state.Copy(), nil
}

// newGethPool returns go-ethereum's pool over the state of s.
func newGethPool(t *testing.T, s *sut) *legacypool.LegacyPool {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	for addr, st := range s.state.accounts {
		db.SetNonce(addr, st.Nonce, tracing.NonceChangeUnspecified)
		db.SetBalance(addr, st.Balance, tracing.BalanceChangeUnspecified)
		if code := s.state.codes[common.BytesToHash(st.CodeHash)]; code != nil {
			db.SetCode(addr, code, tracing.CodeChangeUnspecified)
		}
	}
	chain := &gethChain{config: testConfig(), state: db, head: &types.Header{
		Number: new(big.Int).SetUint64(s.open.Number), Time: s.open.Timestamp, GasLimit: s.open.GasLimit,
		BaseFee: s.open.BaseFee, Difficulty: new(big.Int),
	}}
	config := legacypool.DefaultConfig
	config.AccountSlots, config.PriceLimit = 64, testMinTip
	pool := legacypool.New(config, chain)
	if err := pool.Init(testMinTip, chain.head, txpool.NewReservationTracker().NewHandle(0)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return pool
}

const testMinTip = 10

// admissionCase is a sequence of transactions of which the last one matters.
type admissionCase struct {
	name string
	txs  func(s *sut) []*types.Transaction
	want string // part of the text; empty is accepted
	// ours is set where we answer otherwise than go-ethereum.
	ours string
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func one(f func(s *sut) *types.Transaction) func(s *sut) []*types.Transaction {
	return func(s *sut) []*types.Transaction { return []*types.Transaction{f(s)} }
}

func dynamic(change func(*types.DynamicFeeTx)) func(s *sut) []*types.Transaction {
	return one(func(s *sut) *types.Transaction { return s.dynamic(0, 5, fees{20, 5000}, change) })
}

func sign(s *sut, sender int, inner types.TxData) *types.Transaction {
	tx, err := types.SignNewTx(s.keys[sender], types.LatestSigner(testConfig()), inner)
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

func setCode(s *sut, sender int, nonce uint64, authorities ...int) *types.Transaction {
	var auths []types.SetCodeAuthorization
	for _, a := range authorities {
		auth, err := types.SignSetCode(s.keys[a], types.SetCodeAuthorization{
			ChainID: *uint256.MustFromBig(testConfig().ChainID), Address: common.Address{0xaa},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		auths = append(auths, auth)
	}
	return sign(s, sender, &types.SetCodeTx{
		ChainID: uint256.MustFromBig(testConfig().ChainID), Nonce: nonce, GasTipCap: uint256.NewInt(20), GasFeeCap: uint256.NewInt(5000),
		Gas: 200_000, To: common.Address{0xee}, AuthList: auths,
	})
}

var staticCases = []admissionCase{
	{name: "accepted", txs: dynamic(nil)},
	{name: "fee cap below base fee is accepted", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.GasFeeCap = big.NewInt(testBaseFee - 1) })},
	{name: "blob transaction", want: "transaction type not supported: tx type 3 not supported by this pool", txs: one(func(s *sut) *types.Transaction {
		return sign(s, 0, &types.BlobTx{
			ChainID: uint256.MustFromBig(testConfig().ChainID), Gas: params.TxGas, BlobHashes: []common.Hash{{1}},
			GasTipCap: uint256.NewInt(20), GasFeeCap: uint256.NewInt(5000), BlobFeeCap: uint256.NewInt(1),
		})
	})},
	{name: "too large", want: "oversized data: transaction size", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.Data = make([]byte, 128<<10) })},
	{name: "init code too large", want: "max initcode size exceeded", txs: dynamic(func(tx *types.DynamicFeeTx) {
		tx.To, tx.Data, tx.Gas = nil, make([]byte, params.MaxInitCodeSize+1), 10_000_000
	})},
	{name: "gas over the cap of EIP-7825", want: "transaction gas limit too high (cap: 16777216, tx: 16777217)", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.Gas = params.MaxTxGas + 1 })},
	{name: "tip above fee cap", want: "max priority fee per gas higher than max fee per gas", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.GasTipCap = big.NewInt(5001) })},
	{name: "huge fee cap", want: "max fee per gas higher than 2^256-1", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.GasFeeCap = new(big.Int).Lsh(big.NewInt(1), 256) })},
	{name: "huge tip", want: "max priority fee per gas higher than 2^256-1", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.GasTipCap = new(big.Int).Lsh(big.NewInt(1), 256) })},
	{name: "wrong chain", want: "invalid sender: invalid chain id for signer: have 7 want", txs: one(func(s *sut) *types.Transaction {
		tx, err := types.SignNewTx(s.keys[0], types.LatestSignerForChainID(big.NewInt(7)), &types.DynamicFeeTx{
			ChainID: big.NewInt(7), Nonce: 5, Gas: params.TxGas, GasTipCap: big.NewInt(20), GasFeeCap: big.NewInt(5000), To: &common.Address{1},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		return tx
	})},
	{name: "bad signature", want: "invalid sender: invalid transaction v, r, s values", txs: one(func(*sut) *types.Transaction {
		return types.NewTx(&types.DynamicFeeTx{
			ChainID: testConfig().ChainID, Nonce: 5, Gas: params.TxGas, GasTipCap: big.NewInt(20), GasFeeCap: big.NewInt(5000), To: &common.Address{1},
			V: big.NewInt(0), R: big.NewInt(0), S: big.NewInt(1),
		})
	})},
	{name: "largest nonce", want: "nonce has max value", txs: one(func(s *sut) *types.Transaction { return s.dynamic(0, ^uint64(0), fees{20, 5000}, nil) })},
	{name: "huge value", want: "insufficient funds for gas * price + value", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.Value = new(big.Int).Lsh(big.NewInt(1), 256) })},
	{name: "intrinsic gas", want: "intrinsic gas too low: gas 20999, minimum needed 21000", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.Gas = 20_999 })},
	{name: "intrinsic gas with data", want: "intrinsic gas too low: gas 21000, minimum needed 21064", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.Data = make([]byte, 16) })},
	{name: "intrinsic gas of a creation", want: "intrinsic gas too low: gas 21000, minimum needed 53000", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.To = nil })},
	{name: "floor gas", want: "insufficient gas for floor data gas cost: gas 30000, minimum needed 31000", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.Data, tx.Gas = make([]byte, 1000), 30_000 })},
	{name: "tip below minimum", want: "transaction gas price below minimum: gas tip cap 9, minimum needed 10", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.GasTipCap = big.NewInt(9) })},
	{name: "no authorisation", want: "set code tx must have at least one authorization tuple", txs: one(func(s *sut) *types.Transaction { return setCode(s, 0, 5) })},
	{name: "unprotected", ours: "only replay-protected (EIP-155) transactions allowed over RPC", txs: one(func(s *sut) *types.Transaction {
		tx, err := types.SignNewTx(s.keys[0], types.HomesteadSigner{}, &types.LegacyTx{Nonce: 5, Gas: params.TxGas, GasPrice: big.NewInt(5000), To: &common.Address{1}})
		if err != nil {
			s.t.Fatal(err)
		}
		return tx
	})},
}

var stateCases = []admissionCase{
	{name: "nonce too low", want: "nonce too low: next nonce 5, tx nonce 4", txs: one(func(s *sut) *types.Transaction { return s.transfer(0, 4, 20) })},
	{name: "nonce gap is accepted", txs: one(func(s *sut) *types.Transaction { return s.transfer(0, 9, 20) })},
	{name: "funds", want: "insufficient funds for gas * price + value: balance 1000000000000000000, tx cost", txs: dynamic(func(tx *types.DynamicFeeTx) { tx.Value = ether.ToBig() })},
	{name: "overdraft", want: "queued cost 600000000105000000, tx cost 600000000105000000, overshot 200000000210000000", txs: func(s *sut) []*types.Transaction {
		big := func(tx *types.DynamicFeeTx) {
			tx.Value = new(uint256.Int).Mul(ether, uint256.NewInt(6)).ToBig()
			tx.Value.Div(tx.Value, tenth)
		}
		return []*types.Transaction{s.dynamic(0, 5, fees{20, 5000}, big), s.dynamic(0, 6, fees{20, 5000}, big)}
	}},
	{name: "overdraft by a replacement", want: "tx bumped", txs: func(s *sut) []*types.Transaction {
		value := func(tenths uint64) func(tx *types.DynamicFeeTx) {
			return func(tx *types.DynamicFeeTx) {
				tx.Value = new(big.Int).Div(new(uint256.Int).Mul(ether, uint256.NewInt(tenths)).ToBig(), tenth)
			}
		}
		return []*types.Transaction{
			s.dynamic(0, 5, fees{20, 5000}, value(4)), s.dynamic(0, 6, fees{20, 5000}, value(4)), s.dynamic(0, 5, fees{40, 10000}, value(7)),
		}
	}},
	{name: "already known", want: "already known", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.transfer(0, 5, 20), s.transfer(0, 5, 20)}
	}},
	{name: "replacement of both caps", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.dynamic(0, 5, fees{100, 2000}, nil), s.dynamic(0, 5, fees{110, 2200}, nil)}
	}},
	{name: "replacement of the tip alone", want: "replacement transaction underpriced", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.dynamic(0, 5, fees{100, 2000}, nil), s.dynamic(0, 5, fees{110, 2199}, nil)}
	}},
	{name: "replacement of the fee cap alone", want: "replacement transaction underpriced", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.dynamic(0, 5, fees{100, 2000}, nil), s.dynamic(0, 5, fees{109, 2200}, nil)}
	}},
	{name: "replacement that rounds to nothing", want: "replacement transaction underpriced", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.dynamic(0, 5, fees{10, 2000}, nil), s.dynamic(0, 5, fees{10, 3000}, nil)}
	}},
	{name: "gap at a delegated sender", want: "gapped-nonce tx from delegated accounts", txs: one(func(s *sut) *types.Transaction { return s.transfer(1, 1, 20) })},
	{name: "first of a delegated sender", txs: one(func(s *sut) *types.Transaction { return s.transfer(1, 0, 20) })},
	{name: "second of a delegated sender", want: "in-flight transaction limit reached for delegated accounts", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.transfer(1, 0, 20), s.transfer(1, 1, 20)}
	}},
	{name: "replacement of a delegated sender", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.transfer(1, 0, 20), s.transfer(1, 0, 2000)}
	}},
	{name: "second of a pending authority", want: "in-flight transaction limit reached for delegated accounts", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{setCode(s, 0, 5, 2), s.transfer(2, 0, 20), s.transfer(2, 1, 20)}
	}},
	{name: "authority with one pending", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.transfer(2, 0, 20), setCode(s, 0, 5, 2)}
	}},
	{name: "authority with two pending", want: "authority already reserved", txs: func(s *sut) []*types.Transaction {
		return []*types.Transaction{s.transfer(2, 0, 20), s.transfer(2, 1, 20), setCode(s, 0, 5, 2)}
	}},
	{name: "sender with code", ours: "sender not an eoa: address 0x", txs: one(func(s *sut) *types.Transaction { return s.transfer(3, 0, 20) })},
}

var tenth = big.NewInt(10)

func newAdmissionSUT(t *testing.T) *sut {
	s := newSUT(t, 4, func(c *Config) { c.MinTip = testMinTip })
	s.state.set(s.addrs[0], 5, ether)
	s.state.setCode(s.addrs[1], types.AddressToDelegation(common.Address{0xaa}))
	s.state.setCode(s.addrs[3], []byte{0})
	return s.start()
}

// TestAdmissionAnswersAsGeth feeds go-ethereum's own pool with the same
// transactions.
func TestAdmissionAnswersAsGeth(t *testing.T) {
	for _, c := range append(staticCases, stateCases...) {
		t.Run(c.name, func(t *testing.T) {
			s := newAdmissionSUT(t)
			geth := newGethPool(t, s)
			txs := c.txs(s)
			for i, tx := range txs {
				got, want := text(s.add(tx)[0]), text(geth.Add([]*types.Transaction{tx}, true)[0])
				if i < len(txs)-1 {
					if got != "" || want != "" {
						t.Fatalf("transaction %d: ours %q, geth %q", i, got, want)
					}
					continue
				}
				if c.ours != "" {
					if !strings.Contains(got, c.ours) {
						t.Fatalf("got %q, want %q", got, c.ours)
					}
					return
				}
				if got != want {
					t.Fatalf("ours %q, geth %q", got, want)
				}
				if c.want == "" && got != "" || !strings.Contains(got, c.want) {
					t.Fatalf("got %q, want %q", got, c.want)
				}
			}
		})
	}
}

func TestBlockGasLimit(t *testing.T) {
	s := newSUT(t, 1, nil)
	s.open.GasLimit = 1_000_000
	s.start()
	geth := newGethPool(t, s)
	tx := s.dynamic(0, 0, fees{20, 5000}, func(tx *types.DynamicFeeTx) { tx.Gas = 1_000_001 })
	got, want := text(s.add(tx)[0]), text(geth.Add([]*types.Transaction{tx}, true)[0])
	if got != want || got != "exceeds block gas limit" {
		t.Fatalf("ours %q, geth %q", got, want)
	}
}

func TestNotReady(t *testing.T) {
	s := newSUT(t, 1, nil)
	if err := s.add(s.transfer(0, 0, 20))[0]; !strings.Contains(text(err), motet.ErrUnavailable.Error()) {
		t.Fatal(err)
	}
}
