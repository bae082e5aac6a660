package api

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
)

// fateJSON is a fate on the wire, the same on every surface.
type fateJSON struct {
	Hash      common.Hash    `json:"hash"`
	State     motet.State    `json:"state"`
	Reason    string         `json:"reason,omitempty"`
	By        *common.Hash   `json:"replaced_by,omitempty"`
	Block     *uint64        `json:"block_number,omitempty"`
	BlockHash *common.Hash   `json:"block_hash,omitempty"`
	Index     *uint64        `json:"index,omitempty"`
	Receipt   map[string]any `json:"receipt,omitempty"`
}

// describe returns a fate with all that is known beside it.
func (s *Server) describe(ctx context.Context, f motet.Fate) fateJSON {
	out := fateJSON{Hash: f.Hash, State: f.State, Reason: f.Reason}
	if f.By != (common.Hash{}) {
		out.By = &f.By
	}
	if rank(f.State) == 0 {
		return out
	}
	out.Block, out.Index = &f.Block, &f.Index
	if f.State == motet.StatePreconfirmed {
		if p := s.preconfirmed(f.Hash); p != nil {
			out.Receipt = p.shape()
		}
		return out
	}
	if h := s.chain.BlockHash(f.Block); h != (common.Hash{}) {
		out.BlockHash = &h
	}
	if receipt, err := s.receipt(ctx, f.Hash); err == nil {
		out.Receipt = receipt
	}
	return out
}

// motetAPI are the methods that Ethereum has no name for.
type motetAPI struct{ s *Server }

// GetTransactionStatus tells the fate of a transaction, null if it is not known.
func (a motetAPI) GetTransactionStatus(ctx context.Context, hash common.Hash) *fateJSON {
	f, ok := a.s.fate(hash)
	if !ok {
		return nil
	}
	out := a.s.describe(ctx, f)
	return &out
}

// GetPreconfirmedReceipt returns the receipt of a transaction in the open block,
// with a null block hash, or of one in a sealed block; null if it is in neither.
func (a motetAPI) GetPreconfirmedReceipt(ctx context.Context, hash common.Hash) (any, error) {
	if p := a.s.preconfirmed(hash); p != nil {
		return p.shape(), nil
	}
	return transactionAPI(a).GetTransactionReceipt(ctx, hash)
}

// SyncStatus tells the heads of the chain.
func (a motetAPI) SyncStatus() syncStatus { return a.s.syncStatus() }

// syncStatus is where the chain stands.
type syncStatus struct {
	motet.Heads
	// Posted is the newest block of which L1 holds all; absent where nothing is
	// posted.
	Posted *uint64 `json:"posted,omitempty"`
	// Open is the number of the open block.
	Open *uint64 `json:"open,omitempty"`
}

func (s *Server) syncStatus() syncStatus {
	out := syncStatus{Heads: s.chain.Heads()}
	if s.posted != nil {
		posted := s.posted()
		out.Posted = &posted
	}
	if s.sequencer != nil {
		if p := s.sequencer.Pending(); p != nil {
			open := p.Header.Number.Uint64()
			out.Open = &open
		}
	}
	return out
}
