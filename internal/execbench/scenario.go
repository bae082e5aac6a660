package execbench

import (
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/oracle"
)

const chainID = 1337

// setting is what a scenario is made from.
type setting struct {
	gas       uint64 // about how much the block uses
	artifacts string // folder of npm packages
	amsterdam bool   // the rules of that fork instead of Osaka's
}

// scenario is a block to execute and the state before it.
type scenario struct {
	setting

	config *params.ChainConfig
	header *types.Header
	parent *types.Header
	state  *oracle.Memory
	txs    []*motet.Tx
	// building runs the block as a sequencer does, invalid transactions and all.
	building bool
	nonces   map[common.Address]uint64
}

// newScenario returns an empty block under the product's own rules, or those of
// Amsterdam.
func newScenario(set setting) *scenario {
	var zero uint64
	config := *params.MergedTestChainConfig
	config.ChainID = big.NewInt(chainID)
	config.PragueTime, config.OsakaTime = &zero, &zero
	config.BlobScheduleConfig = params.DefaultBlobSchedule
	parent := &types.Header{Number: new(big.Int), Difficulty: new(big.Int), GasLimit: set.gas, BaseFee: new(big.Int), Time: 1_700_000_000, Root: common.Hash{1}}
	s := &scenario{
		setting: set,

		config: &config,
		parent: parent,
		header: &types.Header{
			ParentHash:       parent.Hash(),
			Coinbase:         common.Address{0xc0},
			Difficulty:       new(big.Int),
			Number:           big.NewInt(1),
			GasLimit:         2*set.gas + 10*params.MaxTxGas,
			BaseFee:          big.NewInt(params.GWei),
			Time:             parent.Time + 1,
			BlobGasUsed:      &zero,
			ExcessBlobGas:    &zero,
			ParentBeaconRoot: new(common.Hash),
		},
		state:  oracle.NewMemory(),
		nonces: make(map[common.Address]uint64),
	}
	s.deploy(params.BeaconRootsAddress, params.BeaconRootsCode)
	s.deploy(params.HistoryStorageAddress, params.HistoryStorageCode)
	s.deploy(params.WithdrawalQueueAddress, []byte{0})
	s.deploy(params.ConsolidationQueueAddress, []byte{0})
	if set.amsterdam {
		config.AmsterdamTime, s.header.SlotNumber = &zero, &s.header.Time
		s.deploy(params.BuilderDepositAddress, []byte{0})
		s.deploy(params.BuilderExitAddress, []byte{0})
	}
	return s
}

func (s *scenario) blockHash(uint64) common.Hash { return s.header.ParentHash }

// address derives an address; kind keeps those of different roles apart.
func address(kind string, i int) common.Address {
	return common.BytesToAddress(crypto.Keccak256(binary.BigEndian.AppendUint64([]byte(kind), uint64(i))))
}

// fund makes sure that addr exists and is rich.
func (s *scenario) fund(addr common.Address) common.Address {
	if _, ok := s.state.Accounts[addr]; !ok {
		s.state.Accounts[addr] = &oracle.MemoryAccount{CodeHash: types.EmptyCodeHash}
	}
	s.state.Accounts[addr].Balance.Mul(uint256.NewInt(1000), uint256.NewInt(params.Ether))
	return addr
}

// deploy puts a contract into the state.
func (s *scenario) deploy(addr common.Address, code []byte) *oracle.MemoryAccount {
	hash := crypto.Keccak256Hash(code)
	s.state.Codes[hash] = code
	a := &oracle.MemoryAccount{Nonce: 1, CodeHash: hash, Storage: make(map[common.Hash]common.Hash)}
	s.state.Accounts[addr] = a
	return a
}

// call is a transaction in the making.
type call struct {
	from  common.Address
	to    common.Address
	value uint64
	gas   uint64
	data  []byte

	access      types.AccessList
	authorities []types.SetCodeAuthorization
}

// add appends a transaction with the sender's next nonce.
func (s *scenario) add(c call) {
	s.addAt(c, s.nonces[c.from])
	s.nonces[c.from]++
}

// addAt appends a transaction with a nonce of the caller's choice. A number
// stands in the place of the signature, so that hashes are unique.
func (s *scenario) addAt(c call, nonce uint64) {
	s.txs = append(s.txs, motet.NewTx(types.NewTx(s.signed(&c, nonce)), c.from))
}

func (s *scenario) signed(c *call, nonce uint64) types.TxData {
	r := uint64(len(s.txs) + 1)
	if c.authorities != nil {
		return &types.SetCodeTx{
			ChainID:   uint256.NewInt(chainID),
			Nonce:     nonce,
			GasTipCap: uint256.NewInt(params.GWei / 10),
			GasFeeCap: uint256.NewInt(2 * params.GWei),
			Gas:       c.gas,
			To:        c.to,
			Value:     uint256.NewInt(c.value),
			Data:      c.data,

			AccessList: c.access,
			AuthList:   c.authorities,

			V: new(uint256.Int),
			R: uint256.NewInt(r),
			S: uint256.NewInt(1),
		}
	}
	return &types.DynamicFeeTx{
		ChainID:   big.NewInt(chainID),
		Nonce:     nonce,
		GasTipCap: big.NewInt(params.GWei / 10),
		GasFeeCap: big.NewInt(2 * params.GWei),
		Gas:       c.gas,
		To:        &c.to,
		Value:     new(big.Int).SetUint64(c.value),
		Data:      c.data,

		AccessList: c.access,

		V: new(big.Int),
		R: new(big.Int).SetUint64(r),
		S: big.NewInt(1),
	}
}
