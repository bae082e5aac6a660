package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/tests"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/oracle"
)

// blockTest is a block test as files hold it: a genesis, and blocks to be offered
// to its chain in that order.
type blockTest struct {
	Genesis  hexutil.Bytes      `json:"genesisRLP"`
	Pre      types.GenesisAlloc `json:"pre"`
	Blocks   []testBlock        `json:"blocks"`
	Last     common.Hash        `json:"lastblockhash"`
	Post     types.GenesisAlloc `json:"postState"`
	PostRoot *common.Hash       `json:"postStateHash"`
	Network  string             `json:"network"`

	StateTest json.RawMessage `json:"transaction"` // if it is one
}

// testBlock is a block that must be accepted if it has a header beside its
// encoding, and refused if not.
type testBlock struct {
	Encoded   string           `json:"rlp"`
	Header    *json.RawMessage `json:"blockHeader"`
	Exception string           `json:"expectException"`
}

func (t *tester) blockFile(ctx context.Context, f file) ([]Result, error) {
	var raw map[string]*blockTest
	if err := json.Unmarshal(f.raw, &raw); err != nil {
		return nil, err
	}
	var results []Result
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		test := raw[name]
		switch {
		case test.StateTest != nil:
			continue
		case test.Blocks == nil || test.Genesis == nil:
			return nil, fmt.Errorf("%s is no test", name)
		}
		r := Result{File: f.name, Test: name, Fork: test.Network}
		if !t.wanted(&r) {
			continue
		}
		if err := t.blockTest(ctx, test, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", r.ID(), err)
		}
		results = append(results, r)
	}
	return results, nil
}

// blockTest fills in what became of the test.
func (t *tester) blockTest(ctx context.Context, test *blockTest, r *Result) error {
	config, ok := tests.Forks[test.Network]
	if !ok {
		r.Verdict, r.Reason = Skipped, "go-ethereum does not know the fork "+test.Network
		return nil
	}
	c, err := t.openChain(config, test)
	if err != nil {
		return err
	}
	c.stats = &r.stats
	defer c.bc.Stop()
	return c.offer(ctx, test, r)
}

// offer gives all blocks to the chain and checks where that ends.
func (c *blockChain) offer(ctx context.Context, test *blockTest, r *Result) error {
	var difference error
	for i := range test.Blocks {
		var err error
		if difference, err = c.try(ctx, &test.Blocks[i]); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
		if difference != nil {
			difference = fmt.Errorf("block %d: %w", i, difference)
			break
		}
	}
	if difference == nil {
		difference = c.checkEnd(test)
	}
	r.Verdict = Passed
	if difference != nil {
		r.Verdict, r.Reason = Failed, difference.Error()
		if reason := exception(r.Test); reason != "" && errors.As(difference, new(likeGeth)) {
			r.Verdict, r.Reason = Skipped, reason
		}
	}
	return nil
}

// likeGeth is a difference from the file that go-ethereum has as well.
type likeGeth struct{ error }

// try gives a block to the engines and, unless it is rightly refused, to geth,
// which executes it once more and keeps what comes of it.
func (c *blockChain) try(ctx context.Context, b *testBlock) (difference, err error) {
	block, refused := b.decode()
	switch {
	case refused != nil && b.Header == nil:
		return nil, nil
	case refused != nil:
		return fmt.Errorf("cannot be read: %w", refused), nil
	}
	refusals, err := c.refusals(ctx, block)
	if err != nil {
		return nil, err
	}
	refused, difference = c.agreed(refusals)
	if difference != nil || refused != nil && b.Header == nil {
		return difference, nil
	}
	_, gethRefuses := c.bc.InsertChain(types.Blocks{block})
	switch {
	case (refused == nil) != (gethRefuses == nil):
		return errors.New("refused: " + fmt.Sprint(refused) + "; by go-ethereum: " + fmt.Sprint(gethRefuses)), nil
	case refused != nil:
		return likeGeth{fmt.Errorf("is refused: %w", refused)}, nil
	case b.Header == nil:
		return likeGeth{fmt.Errorf("is accepted: want %s", b.Exception)}, nil
	default:
		return nil, nil
	}
}

func (b *testBlock) decode() (*types.Block, error) {
	encoded, err := hexutil.Decode(b.Encoded)
	if err != nil {
		return nil, err
	}
	block := new(types.Block)
	if err := rlp.DecodeBytes(encoded, block); err != nil {
		return nil, err
	}
	return block, nil
}

// blockChain is geth's chain, asked about all but execution.
type blockChain struct {
	*tester
	bc     *core.BlockChain
	config *params.ChainConfig
	states state.Database
	stats  *executor.Stats
}

func (t *tester) openChain(config *params.ChainConfig, test *blockTest) (*blockChain, error) {
	encoded := testBlock{Encoded: test.Genesis.String()}
	genesis, err := encoded.decode()
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	own := *config
	if own.TerminalTotalDifficulty == nil {
		own.TerminalTotalDifficulty = big.NewInt(math.MaxInt64) // never
	}
	h := genesis.Header()
	spec := &core.Genesis{
		Config: &own, Alloc: test.Pre,
		Nonce: h.Nonce.Uint64(), Timestamp: h.Time, ExtraData: h.Extra, GasLimit: h.GasLimit, Difficulty: h.Difficulty, Mixhash: h.MixDigest,
		Coinbase: h.Coinbase, GasUsed: h.GasUsed, ParentHash: h.ParentHash, BaseFee: h.BaseFee, ExcessBlobGas: h.ExcessBlobGas,
		BlobGasUsed: h.BlobGasUsed, SlotNumber: h.SlotNumber,
	}
	// Seals of proof of work are not what is tested. All states are kept, since tests have forks.
	options := &core.BlockChainConfig{StateScheme: rawdb.HashScheme, TxLookupLimit: -1, ArchiveMode: true}
	bc, err := core.NewBlockChain(rawdb.NewMemoryDatabase(), spec, beacon.New(ethash.NewFaker()), options)
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if bc.Genesis().Hash() != genesis.Hash() {
		bc.Stop()
		return nil, fmt.Errorf("genesis: want %v, got %v", genesis.Hash(), bc.Genesis().Hash())
	}
	return &blockChain{tester: t, bc: bc, config: &own, states: state.NewDatabase(bc.TrieDB(), bc.CodeDB())}, nil
}

// checkEnd checks the state after the block that must be the last one, and that
// geth took it for that.
func (c *blockChain) checkEnd(test *blockTest) error {
	last := c.bc.GetHeaderByHash(test.Last)
	if last == nil {
		return fmt.Errorf("last block: %v is not there", test.Last)
	}
	if test.PostRoot != nil && last.Root != *test.PostRoot {
		return fmt.Errorf("state root: want %v, got %v", *test.PostRoot, last.Root)
	}
	after, err := c.states.Reader(last.Root)
	if err != nil {
		return fmt.Errorf("state after the last block: %w", err)
	}
	want := memoryOf(test.Post)
	if err := oracle.Compare(want.Keys(), want, after); err != nil {
		return fmt.Errorf("state after the last block: %w", err)
	}
	if head := c.bc.CurrentBlock().Hash(); head != test.Last {
		return likeGeth{fmt.Errorf("last block: want %v, got %v", test.Last, head)}
	}
	return nil
}
