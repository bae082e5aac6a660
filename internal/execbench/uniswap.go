package execbench

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet/internal/oracle"
)

const (
	v3SwapGas   = 120_000 // about what a swap uses
	v3Fee       = 3000    // in millionths
	v3Lowest    = -887220 // ticks of all prices that fit the fee's spacing
	v3Highest   = 887220
	v3Liquidity = 1_000_000_000_000_000_000
)

// uniswap trades on pools of Uniswap v3, each trader once: so many swaps in a row
// on each pool, then on the next one. With 0 pools each swap has its own.
// Each pool has two tokens of its own, and, since addresses are part of it, code
// of its own.
func uniswap(pools, row int) builder {
	return func(s *scenario) error {
		factory, err := v3Factory(s.artifacts)
		if err != nil {
			return err
		}
		n := int(s.gas / v3SwapGas)
		addrs, err := s.addV3Pools(factory, cmp.Or(pools, n))
		if err != nil {
			return fmt.Errorf("set up Uniswap v3: %w", err)
		}
		for i := range n {
			pool, trader := i/row%len(addrs), s.fund(address("from", i))
			// A trader buys a token that he does not have with one that he allowed the
			// router to spend.
			zeroForOne := uint64(i % 2) //nolint:gosec // 0 or 1
			amount := uint64(1_000_000 + i%777)
			s.supply(v3Input(pool, zeroForOne), trader, v3Router(), plenty, word(plenty))
			s.add(call{from: trader, to: v3Router(), gas: 3 * v3SwapGas, data: swapV3(addrs[pool], zeroForOne, amount)})
		}
		return nil
	}
}

func v3Router() common.Address { return address("router", 0) }

// v3Input returns the token that a trade pays in. Uniswap orders the two of a pool
// by address.
func v3Input(pool int, zeroForOne uint64) common.Address {
	token0, token1 := poolToken(pool, 0), poolToken(pool, 1)
	if token0.Cmp(token1) > 0 {
		token0, token1 = token1, token0
	}
	if zeroForOne == 1 {
		return token0
	}
	return token1
}

func swapV3(pool common.Address, zeroForOne, amount uint64) []byte {
	return calldata("swap(address,bool,uint256,uint256)", addressWord(pool), word(zeroForOne), word(amount), word(1))
}

// v3Factory reads the creation code of the factory, which holds that of pools,
// from the package of npm.
func v3Factory(artifacts string) ([]byte, error) {
	path := filepath.Join(artifacts, "@uniswap", "v3-core", "artifacts", "contracts", "UniswapV3Factory.sol", "UniswapV3Factory.json")
	raw, err := os.ReadFile(path) //nolint:gosec // the user names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w (--artifacts DIR with what npm install @uniswap/v3-core@1.0.1 brings); amm workloads have the same shapes", path, errMissing)
	}
	if err != nil {
		return nil, err
	}
	var artifact struct {
		Bytecode hexutil.Bytes `json:"bytecode"`
	}
	if err := json.Unmarshal(raw, &artifact); err != nil || len(artifact.Bytecode) == 0 {
		return nil, fmt.Errorf("%s holds no bytecode: %w", path, err)
	}
	return artifact.Bytecode, nil
}

// addV3Pools deploys so many pools by executing all that a user would send to
// get them: the factory's constructor, its createPool, the pool's initialize, a
// mint over all prices, and a swap each way, after which a pool is as it is in
// use. What is left behind becomes part of the state.
func (s *scenario) addV3Pools(factory []byte, pools int) ([]common.Address, error) {
	owner := s.fund(address("owner", 0))
	s.deploy(v3Router(), code(routerHex))
	for i := range pools {
		for side := range 2 {
			s.deploy(poolToken(i, side), code(tokenHex))
			s.supply(poolToken(i, side), owner, v3Router(), 10*v3Liquidity, word(10*v3Liquidity))
		}
	}
	history, err := s.begin(owner)
	if err != nil {
		return nil, err
	}
	if _, err := history.send(nil, factory); err != nil {
		return nil, fmt.Errorf("factory: %w", err)
	}
	to := crypto.CreateAddress(owner, 0)
	addrs := make([]common.Address, pools)
	for i := range addrs {
		if addrs[i], err = history.addV3Pool(to, i); err != nil {
			return nil, fmt.Errorf("pool %d: %w", i, err)
		}
	}
	return addrs, history.end()
}

func (h *history) addV3Pool(factory common.Address, i int) (common.Address, error) {
	made, err := h.send(&factory, calldata("createPool(address,address,uint24)", addressWord(poolToken(i, 0)), addressWord(poolToken(i, 1)), word(v3Fee)))
	if err != nil {
		return common.Address{}, err
	}
	pool, router := common.BytesToAddress(made), v3Router()
	one := common.BigToHash(new(big.Int).Lsh(common.Big1, 96)) // the price, as its square root
	for _, step := range []struct {
		to   common.Address
		data []byte
	}{
		{pool, calldata("initialize(uint160)", one)},
		{router, calldata("mint(address,int24,int24,uint128)", addressWord(pool), signedWord(v3Lowest), signedWord(v3Highest), word(v3Liquidity))},
		{router, swapV3(pool, 0, 1_000_000)},
		{router, swapV3(pool, 1, 1_000_000)},
	} {
		if _, err := h.send(&step.to, step.data); err != nil {
			return common.Address{}, err
		}
	}
	return pool, nil
}

func signedWord(n int64) common.Hash { return common.BytesToHash(math.U256Bytes(big.NewInt(n))) }

// history is a block before the one that is measured. It makes the state.
type history struct {
	s     *scenario
	from  common.Address
	nonce uint64
	keys  oracle.Keys
	db    *state.StateDB
	block *oracle.Block
}

func (s *scenario) begin(from common.Address) (*history, error) {
	db, err := oracle.NewState(s.state)
	if err != nil {
		return nil, err
	}
	config, header := *s.config, types.CopyHeader(s.header)
	config.AmsterdamTime, header.SlotNumber = nil, nil // there a pool takes more gas than a transaction may
	header.Time, header.GasLimit, header.BaseFee = s.parent.Time, 1<<60, new(big.Int)
	h := &history{s: s, from: from, db: db, keys: make(oracle.Keys)}
	h.block = oracle.Open(oracle.Env{Config: &config, Header: header, BlockHash: s.blockHash}, db, h.keys.Hooks())
	return h, nil
}

// send executes a transaction of the history's account and returns what it
// returns. One that fails is an error.
func (h *history) send(to *common.Address, data []byte) ([]byte, error) {
	result, err := h.block.Call(&core.Message{
		From: h.from, To: to, Nonce: h.nonce, Data: data,
		GasLimit: params.MaxTxGas,
		Value:    new(uint256.Int), GasPrice: new(uint256.Int), GasFeeCap: new(uint256.Int), GasTipCap: new(uint256.Int),
	})
	if err == nil {
		err = result.Err
	}
	if err != nil {
		return nil, err
	}
	h.nonce++
	return result.ReturnData, nil
}

// end writes all that the history changed into the scenario's state.
func (h *history) end() error {
	after := oracle.View(h.db)
	for addr, slots := range h.keys {
		account, err := after.Account(addr)
		if err != nil {
			return err
		}
		if account == nil {
			continue
		}
		hash := common.BytesToHash(account.CodeHash)
		if hash != types.EmptyCodeHash {
			h.s.state.Codes[hash] = after.Code(addr, hash)
		}
		a := h.s.state.Accounts[addr]
		if a == nil {
			a = new(oracle.MemoryAccount)
			h.s.state.Accounts[addr] = a
		}
		a.Balance, a.Nonce, a.CodeHash = *account.Balance, account.Nonce, hash
		if a.Storage == nil {
			a.Storage = make(map[common.Hash]common.Hash, len(slots))
		}
		for slot := range slots {
			value, err := after.Storage(addr, slot)
			if err != nil {
				return err
			}
			a.Storage[slot] = value
		}
	}
	return h.db.Error()
}
