package motet

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// BatchHeader is the part of a batch that the Inbox contract sees. A batch
// carries a range of the block sequence whose first and last block may be
// partial, since a busy block is larger than one L1 transaction can be.
type BatchHeader struct {
	FirstBlock uint64
	// FirstTx is the index, within FirstBlock, of the batch's first transaction.
	FirstTx   uint32
	LastBlock uint64
	// LastComplete tells whether the batch ends with the end of LastBlock.
	LastComplete bool
	// LastHash is the hash of the last block that the batch completes, zero if
	// it completes none.
	LastHash common.Hash
	// ForcedCursor and DepositCursor count the forced transactions and the
	// deposits that the chain has consumed up to the last complete block.
	ForcedCursor  uint64
	DepositCursor uint64
	// GuardNumber and GuardHash name a recent L1 block: the batch is valid only
	// on an L1 chain that holds it.
	GuardNumber uint64
	GuardHash   common.Hash
}

// PostedBatch is a batch as L1 recorded it.
type PostedBatch struct {
	Index   uint64
	Acc     common.Hash // accumulator of the Inbox after this batch
	Header  BatchHeader
	TxHash  common.Hash
	Payload []byte // the envelope, out of blobs or calldata
}

// Deposit is ETH locked on L1 for an L2 address.
type Deposit struct {
	ID      uint64
	L1Block uint64
	To      common.Address
	Gwei    uint64
}

// Withdrawal is the EIP-4895 entry by which d reaches its L2 address.
func (d Deposit) Withdrawal() *types.Withdrawal {
	return &types.Withdrawal{Index: d.ID, Validator: d.L1Block, Address: d.To, Amount: d.Gwei}
}

// ForcedTx is a signed L2 transaction that somebody queued on L1.
type ForcedTx struct {
	ID       uint64
	L1Block  uint64
	Raw      hexutil.Bytes
	GasLimit uint64
}

// L1Block is everything that derivation takes from one L1 block.
type L1Block struct {
	Origin     Origin
	ParentHash common.Hash
	Batches    []PostedBatch
	Deposits   []Deposit
	Forced     []ForcedTx
}
