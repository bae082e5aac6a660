package motet

import "github.com/ethereum/go-ethereum/common"

// State is a station in the life of a submitted transaction.
type State string

// Every submitted hash passes through some of the first group and ends in
// finalized or in exactly one of the second.
const (
	StatePending      State = "pending"      // executable, waits for a slice
	StateQueued       State = "queued"       // waits for an earlier nonce
	StatePreconfirmed State = "preconfirmed" // in a slice that the log holds
	StateSealed       State = "sealed"       // in a sealed block
	StatePosted       State = "posted"       // in a batch that L1 mined
	StateSafe         State = "safe"         // rebuilt from L1 with the same hash
	StateFinalized    State = "finalized"    // batch and origin are final on L1

	StateRejected      State = "rejected"       // refused at admission, or invalid when its turn came
	StateReplaced      State = "replaced"       // by one of the same sender and nonce
	StateEvicted       State = "evicted"        // made room for better-paying ones
	StateExpired       State = "expired"        // its nonce gap was not closed in time
	StateForcedSkipped State = "forced_skipped" // a forced transaction consumed without effect
)

// Fate says what has become of a submitted transaction.
type Fate struct {
	Hash  common.Hash
	State State
	// Reason says why, for the states that end without inclusion.
	Reason string
	// By is the replacing transaction when State is StateReplaced.
	By common.Hash
	// Block and Index say where, from StatePreconfirmed on.
	Block uint64
	Index uint64
}

// Final reports whether the transaction left the pool without inclusion.
func (f Fate) Final() bool {
	switch f.State {
	case StateRejected, StateReplaced, StateEvicted, StateExpired, StateForcedSkipped:
		return true
	default:
		return false
	}
}
