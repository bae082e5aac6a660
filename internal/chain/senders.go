package chain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// knownSender is a signer that does not have to recover the sender. What it
// tells types.Sender is remembered by the transaction, for all equal signers.
type knownSender struct {
	types.Signer
	from common.Address
}

// Sender implements types.Signer.
func (k knownSender) Sender(*types.Transaction) (common.Address, error) { return k.from, nil }

// Equal implements types.Signer.
func (k knownSender) Equal(other types.Signer) bool { return k.Signer.Equal(other) }

// primeBlock puts a stored block into geth's cache with its senders known. geth's
// blob pool looks at the senders of every new block, and its RPC shows them: they
// would be recovered from the signatures, the dearest step of a transfer.
func (c *Chain) primeBlock(block *types.Block, txs []*motet.Tx) {
	stored := c.bc.GetBlock(block.Hash(), block.NumberU64())
	if stored == nil || len(stored.Transactions()) != len(txs) {
		return
	}
	signer := types.MakeSigner(c.bc.Config(), block.Number(), block.Time())
	for i, tx := range stored.Transactions() {
		if _, err := types.Sender(knownSender{Signer: signer, from: txs[i].From}, tx); err != nil {
			return
		}
	}
}
