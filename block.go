package motet

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// BlockRef names a block.
type BlockRef struct {
	Number uint64      `json:"number"`
	Hash   common.Hash `json:"hash"`
}

// RefOf names the block that h heads.
func RefOf(h *types.Header) BlockRef { return BlockRef{Number: h.Number.Uint64(), Hash: h.Hash()} }

// Heads are the three points of the chain that Ethereum clients ask for.
type Heads struct {
	// Unsafe is the newest sealed block ("latest").
	Unsafe BlockRef `json:"unsafe"`
	// Safe is the newest block that was rebuilt from L1 with the same hash.
	Safe BlockRef `json:"safe"`
	// Finalized is the newest safe block whose batch and origin L1 finalized.
	Finalized BlockRef `json:"finalized"`
}

// DepositRange names the L1 deposits that enter a block: Count deposits from
// the one with id First on.
type DepositRange struct {
	First uint64
	Count uint64
}

// Open fixes everything that the receipts of a block depend on, apart from its
// transactions. It is decided once, when the block is opened, and appended to
// the log before or with the block's first slice; whoever continues the block
// continues it under the same Open.
type Open struct {
	Number    uint64
	Timestamp uint64 // seconds
	Origin    Origin
	Coinbase  common.Address
	GasLimit  uint64
	BaseFee   *big.Int // wei
	Extra     []byte   // ExtraData(Origin.Number), or what an imported header says
	Forced    []common.Hash
	Deposits  DepositRange
}

// Header returns the header that the block will have, with every field set that
// is known before execution. The remaining ones are the roots, the bloom and the
// gas used. The requests hash is that of the empty list, since the genesis of a
// Motet chain makes requests impossible. Under Amsterdam rules the slot number
// (EIP-7843) is the timestamp: a slot of Motet lasts one second.
func (o *Open) Header(parent common.Hash, config *params.ChainConfig) *types.Header {
	var (
		zero     uint64
		excess   uint64
		origin   = o.Origin.Hash
		requests = types.EmptyRequestsHash
		empty    = types.EmptyWithdrawalsHash
	)
	h := &types.Header{
		ParentHash:       parent,
		UncleHash:        types.EmptyUncleHash,
		Coinbase:         o.Coinbase,
		Difficulty:       new(big.Int),
		Number:           new(big.Int).SetUint64(o.Number),
		GasLimit:         o.GasLimit,
		Time:             o.Timestamp,
		Extra:            o.Extra,
		MixDigest:        o.Origin.PrevRandao,
		BaseFee:          o.BaseFee,
		WithdrawalsHash:  &empty,
		BlobGasUsed:      &zero,
		ExcessBlobGas:    &excess,
		ParentBeaconRoot: &origin,
		RequestsHash:     &requests,
	}
	if config.IsAmsterdam(h.Number, h.Time) {
		slot := o.Timestamp
		h.SlotNumber = &slot
	}
	return h
}

// Outcome is what executing a block leaves behind: enough to compute its roots,
// to store it and to answer for it, without executing it again.
type Outcome struct {
	// Header has every field set but the roots, the bloom and the gas used,
	// unless the block was verified against an existing header.
	Header      *types.Header
	Txs         []*Tx
	Receipts    types.Receipts // gas, logs and status set; block hash not yet
	Withdrawals types.Withdrawals
	// Requests are the EIP-7685 requests; empty on a Motet chain.
	Requests [][]byte
	GasUsed  uint64
	Changes  *StateChanges
	// AccessList returns the block access list (EIP-7928) as geth records it,
	// under all rules: what the block touched, and what it changed at which
	// access index (0 before the transactions, i+1 for transaction i, n+1 after
	// n transactions). The first call puts it together; calls may be concurrent,
	// and the list is shared. Before Cancun it does not tell of the storage that
	// an account loses when it is destroyed.
	AccessList func() *bal.BlockAccessList `json:"-"`
}

// StateChanges are the values that the state holds after a block where they
// differ, or may differ, from those before it. Accounts are sorted by address
// and slots by key, so that two executions can be compared.
type StateChanges struct {
	Accounts []AccountChange
}

// AccountChange is the state of one account after a block.
type AccountChange struct {
	Address common.Address
	// Deleted: the account does not exist after the block. All else is unset.
	Deleted bool
	// Reset: the account was deleted and created anew within the block, so its
	// storage holds nothing but Storage.
	Reset   bool
	Nonce   uint64
	Balance uint256.Int
	// CodeHash is types.EmptyCodeHash for an account without code.
	CodeHash common.Hash
	// Code is set only if the block changed it.
	Code []byte
	// CodeChanged tells a change to empty code from no change.
	CodeChanged bool
	Storage     []SlotChange
}

// SlotChange is the value of one storage slot after a block.
type SlotChange struct {
	Key   common.Hash
	Value common.Hash
}
