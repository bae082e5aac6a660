package chain

import (
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/node"
)

const (
	// indexPatience is how long a start waits for geth's history indexers. They
	// need milliseconds; what they have indexed by then they need not index again.
	indexPatience = 100 * time.Millisecond
	// maxIndexTries bounds how often a node is opened again for their sake.
	maxIndexTries = 10
	// indexSyncWindow is the age of the head above which geth's indexers take
	// the chain to be syncing, and wait.
	indexSyncWindow = 6 * time.Hour
)

// openIndexed is openNode until the history of states can be read.
//
// geth's indexers look once as they start, and then every 15 s, whether they are
// done. Another goroutine of geth's tells them whether the chain is syncing, in
// which case they are not; on a busy machine it comes too late, and a flush in
// those 15 s makes states unreadable. Opening the node again rolls the dice again.
func openIndexed(c *Config) (*node.Node, *eth.Ethereum, error) {
	for try := 1; ; try++ {
		stack, backend, err := openNode(c)
		if err != nil || try == maxIndexTries || !missedStart(backend.BlockChain()) {
			return stack, backend, err
		}
		if err := stack.Close(); err != nil {
			return nil, nil, err
		}
	}
}

// missedStart reports whether the indexers wait, as it seems, though nothing keeps
// them.
func missedStart(bc *core.BlockChain) bool {
	head := bc.CurrentBlock()
	if bc.GetCanonicalHash(head.Number.Uint64()+1) != (common.Hash{}) {
		return false // the chain crashed; what is to be recovered comes first
	}
	if time.Since(time.Unix(int64(head.Time), 0)) >= indexSyncWindow { //nolint:gosec // a time
		return false
	}
	for end := time.Now().Add(indexPatience); indexing(bc); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return true
		}
	}
	return false
}

// indexing reports whether geth's indexers are in their initial phase, in which
// no history can be read. Only the text of geth's error tells.
func indexing(bc *core.BlockChain) bool {
	const text = "haven't been fully indexed yet"
	_, err := bc.TrieDB().HistoricStateReader(common.Hash{})
	_, nodeErr := bc.TrieDB().HistoricNodeReader(common.Hash{})
	return err != nil && strings.Contains(err.Error(), text) || nodeErr != nil && strings.Contains(nodeErr.Error(), text)
}
