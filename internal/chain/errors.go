package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

var (
	// ErrDatadirUsed says that another process owns the data directory.
	ErrDatadirUsed = errors.New("data directory is used by another process")
	// ErrNotOnHead says that a block was to be sealed or committed that does not
	// follow the head.
	ErrNotOnHead = errors.New("block does not follow the head")
	// ErrNotCanonical says that a block was named that the canonical chain does not
	// hold.
	ErrNotCanonical = errors.New("block is not canonical")
	// ErrFinalized says that a rollback would undo a finalized block.
	ErrFinalized = errors.New("block is finalized")
	// ErrNoAccessList says that a block has no block access list: nobody executes
	// the genesis, nor blocks of before the merge.
	ErrNoAccessList = errors.New("block has no access list")
	// ErrStateGone says that a state is older than those that are kept.
	ErrStateGone = errors.New("state is not kept any more")
	// ErrClosed says that the chain was closed.
	ErrClosed = errors.New("chain is closed")
	// ErrOverflow ends the stream of a subscriber that fell too far behind.
	ErrOverflow = errors.New("subscriber fell behind and lost events")
)

// ForeignDatadirError reports a data directory that holds another chain.
type ForeignDatadirError struct {
	Dir    string
	Stored common.Hash // genesis hash in the directory
	Given  common.Hash // genesis hash in the configuration
}

func (e *ForeignDatadirError) Error() string {
	return fmt.Sprintf("data directory %s holds another chain: its genesis is %s, the configured one %s", e.Dir, e.Stored, e.Given)
}

// ForkScheduleError reports a genesis whose forks would have been in force, or
// not, for blocks that the chain holds already.
type ForkScheduleError struct{ Err error }

func (e *ForkScheduleError) Error() string {
	return "the fork schedule of the genesis contradicts blocks of the chain: " + e.Err.Error()
}

// Unwrap returns geth's error, which names the fork.
func (e *ForkScheduleError) Unwrap() error { return e.Err }

// MismatchError reports a block whose execution gives another block than the
// one that exists.
type MismatchError struct {
	Number uint64
	Want   common.Hash // hash of the existing block
	Got    common.Hash // hash that execution gives
	Field  string      // the first header field that differs
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("execution of block %d gives hash %s instead of %s: %s differs", e.Number, e.Got, e.Want, e.Field)
}
