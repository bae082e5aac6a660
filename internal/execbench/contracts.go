package execbench

import (
	"cmp"
	_ "embed" // for the bytecode
	"encoding/hex"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

//go:generate node contracts/compile.js contracts/Token.sol contracts/Pool.sol contracts/Bomb.sol contracts/Router.sol

//go:embed contracts/Token.hex
var tokenHex string

//go:embed contracts/Pool.hex
var poolHex string

//go:embed contracts/Bomb.hex
var bombHex string

//go:embed contracts/Router.hex
var routerHex string

func code(text string) []byte {
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil {
		panic(err) // the files are committed with the package
	}
	return b
}

// calldata encodes a call: the selector of signature, then words.
func calldata(signature string, words ...common.Hash) []byte {
	out := slices.Clone(crypto.Keccak256([]byte(signature))[:4])
	for _, w := range words {
		out = append(out, w[:]...)
	}
	return out
}

func word(n uint64) common.Hash { return common.BigToHash(new(big.Int).SetUint64(n)) }

func addressWord(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// mappingSlot is the slot of key in the mapping at slot, as Solidity lays it out.
func mappingSlot(key, slot common.Hash) common.Hash { return crypto.Keccak256Hash(key[:], slot[:]) }

// Slots of contracts/Token.sol.
func balanceSlot(a common.Address) common.Hash { return mappingSlot(addressWord(a), word(0)) }

func allowanceSlot(owner, spender common.Address) common.Hash {
	return mappingSlot(addressWord(spender), mappingSlot(addressWord(owner), word(1)))
}

const (
	tokenGas = 35_000  // about what a token transfer uses
	swapGas  = 100_000 // about what a swap uses
	bombGas  = 100_000 // about what a bomb uses
	plenty   = 1_000_000_000_000
)

// tokens pays in an ERC-20 where both sides hold some already.
func tokens(choose pairs) builder {
	return func(s *scenario) error {
		n := int(s.gas / tokenGas)
		token := address("token", 0)
		storage := s.deploy(token, code(tokenHex)).Storage
		for i := range n {
			from, to := choose(i, n)
			storage[balanceSlot(from)], storage[balanceSlot(to)] = word(plenty), word(plenty)
			s.add(call{
				from: s.fund(from),
				to:   token,
				gas:  3 * tokenGas,
				data: calldata("transfer(address,uint256)", addressWord(to), word(uint64(i%1000+1))),
			})
		}
		return nil
	}
}

// swaps trades on so many pools in turn, each trader once, so many times in a row
// on each; on a pool of its own each, if pools is 0. Each pool has two tokens of
// its own; the code is shared.
func swaps(pools, row int) builder {
	return func(s *scenario) error {
		s.trade(pools, row, nil)
		return nil
	}
}

// declaredSwaps is swaps with an access list (EIP-2930) of what all trades on a
// pool write.
func declaredSwaps(pools, row int) builder {
	return func(s *scenario) error {
		s.trade(pools, row, func(pool int) (list types.AccessList) {
			addr := address("pool", pool)
			list = append(list, types.AccessTuple{Address: addr, StorageKeys: []common.Hash{word(0), word(3), word(4), word(5)}})
			for side := range 2 {
				list = append(list, types.AccessTuple{Address: poolToken(pool, side), StorageKeys: []common.Hash{balanceSlot(addr)}})
			}
			return list
		})
		return nil
	}
}

func (s *scenario) trade(pools, row int, declare func(pool int) types.AccessList) {
	n := int(s.gas / swapGas)
	pools = cmp.Or(pools, n)
	for i := range pools {
		s.addPool(i)
	}
	for i := range n {
		pool, trader := i/row%pools, s.fund(address("from", i))
		for side := range 2 {
			s.supply(poolToken(pool, side), trader, address("pool", pool), plenty, common.BigToHash(math.MaxBig256))
		}
		c := call{
			from: trader,
			to:   address("pool", pool),
			gas:  3 * swapGas,
			data: calldata("swap(bool,uint256,uint256)", word(uint64(i/pools%2)), word(uint64(1000+i%777)), word(1)),
		}
		if declare != nil {
			c.access = declare(pool)
		}
		s.add(c)
	}
}

// supply gives trader so much of a token, of which spender may take as much as
// allowed.
func (s *scenario) supply(token, trader, spender common.Address, amount uint64, allowed common.Hash) {
	storage := s.state.Accounts[token].Storage
	storage[balanceSlot(trader)] = word(amount)
	storage[allowanceSlot(trader, spender)] = allowed
}

func poolToken(pool, side int) common.Address { return address("pool token", 2*pool+side) }

// addPool deploys pool i with its tokens and as much of each as no trade here
// can exhaust. Slots as in contracts/Pool.sol.
func (s *scenario) addPool(i int) {
	addr := address("pool", i)
	storage := s.deploy(addr, code(poolHex)).Storage
	reserve := new(big.Int).SetUint64(plenty * 1000)
	packed := new(big.Int).SetUint64(s.parent.Time)
	packed.Lsh(packed, 112).Or(packed, reserve).Lsh(packed, 112).Or(packed, reserve)
	storage[word(0)] = common.BigToHash(packed)
	storage[word(3)], storage[word(4)] = word(1), word(1)
	for side := range 2 {
		token := poolToken(i, side)
		storage[word(uint64(1+side))] = addressWord(token)
		s.deploy(token, code(tokenHex)).Storage[balanceSlot(addr)] = common.BigToHash(reserve)
	}
}

// bombs are long computations whose last step is a counter that all share.
func bombs(s *scenario) error {
	n := int(s.gas / bombGas)
	bomb := address("bomb", 0)
	s.deploy(bomb, code(bombHex)).Storage[word(0)] = word(1)
	for i := range n {
		s.add(call{
			from: s.fund(address("from", i)),
			to:   bomb,
			gas:  10 * bombGas,
			data: calldata("run(uint256)", word(200)),
		})
	}
	return nil
}

// TokenCode returns the runtime code of the benchmarks' ERC-20, contracts/Token.sol.
// Balances are in the mapping at slot 0.
func TokenCode() []byte { return code(tokenHex) }
