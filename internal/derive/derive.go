package derive

import (
	"errors"
	"fmt"
	"slices"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
)

// ErrInvalid marks a batch that derives to nothing.
var ErrInvalid = errors.New("batch derives to nothing")

// ErrReorg says that an L1 block is not the child of the one before it.
var ErrReorg = errors.New("L1 block does not follow the last one")

// ErrSkipped says that an L1 block does not hold the batch that must come next:
// what was read from L1 is not complete.
var ErrSkipped = errors.New("L1 block skips a batch")

// Position is a place in the block sequence.
type Position struct {
	Block uint64 `json:"block"`
	Tx    uint32 `json:"tx"` // transactions of Block that come before
}

// Block is what a block is built from. The rest of its header follows by
// motet.Rollup.NextOpen.
type Block struct {
	Number    uint64       `json:"number"`
	Timestamp uint64       `json:"timestamp"`
	Origin    motet.Origin `json:"origin"`
	Txs       [][]byte     `json:"txs"`
}

// Derived is what a batch gives.
type Derived struct {
	Index uint64 // of the batch
	// Blocks are those that the batch completes.
	Blocks []Block
	// Last is the reference of the last of them, as the batch states it. It is
	// to be compared with what execution gives.
	Last motet.BlockRef
}

// State says how far derivation has come.
type State struct {
	rollup *motet.Rollup
	limits batchcodec.Limits

	// origins are the L1 blocks that a block may still build on: from that of
	// the last complete block up to the newest.
	origins []motet.Origin
	batch   uint64 // index of the next batch
	safe    tip
	partial *Block // beginning of the block after safe; nil if none
}

// tip is what the rules for the next block look back to.
type tip struct {
	Number    uint64 `json:"number"`
	Timestamp uint64 `json:"timestamp"`
	Origin    uint64 `json:"origin"`
}

// New returns the state before the L1 block that the rollup begins at.
func New(rollup *motet.Rollup, genesisTime uint64) State {
	return State{
		rollup: rollup,
		limits: batchcodec.DefaultLimits(),
		safe:   tip{Timestamp: genesisTime, Origin: rollup.L1Genesis.Number},
	}
}

// Snapshot is a State after the first L1 block, in a form to be stored.
type Snapshot struct {
	Batch   uint64         `json:"batch"`
	Safe    tip            `json:"safe"`
	Origins []motet.Origin `json:"origins"`
	// Partial is the beginning of a block that waits for its end. A busy chain
	// is never without one, so it must not keep the state from being stored.
	Partial *Block `json:"partial,omitempty"`
}

// Snapshot returns the state to be stored, false before the first L1 block.
func (s State) Snapshot() (Snapshot, bool) {
	return Snapshot{Batch: s.batch, Safe: s.safe, Origins: s.origins, Partial: s.partial}, len(s.origins) > 0
}

var errSnapshot = errors.New("snapshot of derivation is malformed")

// Restore returns the state of a snapshot. Whether L1 still holds its newest
// block is for the caller to check.
func Restore(rollup *motet.Rollup, snap Snapshot) (State, error) {
	if len(snap.Origins) == 0 || snap.Origins[0].Number != snap.Safe.Origin {
		return State{}, errSnapshot
	}
	for i, o := range snap.Origins {
		if o.Number != snap.Origins[0].Number+uint64(i) { //nolint:gosec // i counts up
			return State{}, errSnapshot
		}
	}
	if p := snap.Partial; p != nil && (p.Number != snap.Safe.Number+1 || !slices.Contains(snap.Origins, p.Origin)) {
		return State{}, errSnapshot
	}
	return State{
		rollup: rollup, limits: batchcodec.DefaultLimits(),
		origins: snap.Origins, batch: snap.Batch, safe: snap.Safe, partial: snap.Partial,
	}, nil
}

// L1 returns the newest L1 block, false before the first.
func (s State) L1() (motet.Origin, bool) {
	if len(s.origins) == 0 {
		return motet.Origin{}, false
	}
	return s.origins[len(s.origins)-1], true
}

// NextL1 returns the number of the L1 block to extend the state with.
func (s State) NextL1() uint64 {
	if last, ok := s.L1(); ok {
		return last.Number + 1
	}
	return s.rollup.L1Genesis.Number
}

// Safe returns the number of the last complete block.
func (s State) Safe() uint64 { return s.safe.Number }

// Next returns where a batch must start that goes on from the last valid one.
func (s State) Next() Position {
	p := Position{Block: s.safe.Number + 1}
	if s.partial != nil {
		p.Tx = uint32(len(s.partial.Txs)) //nolint:gosec // bounded by the limits
	}
	return p
}

// NextBatch returns the index of the next batch.
func (s State) NextBatch() uint64 { return s.batch }

// Extend adds the next L1 block. The error matches ErrReorg if it is not the
// child of the last one.
func (s State) Extend(l1 *motet.L1Block) (State, error) {
	if l1.Origin.Number != s.NextL1() {
		return s, fmt.Errorf("extend with L1 block %d, expected %d: %w", l1.Origin.Number, s.NextL1(), ErrReorg)
	}
	last, ok := s.L1()
	if ok && l1.ParentHash != last.Hash || !ok && l1.Origin.Hash != s.rollup.L1Genesis.Hash {
		return s, fmt.Errorf("extend with L1 block %d %s: %w", l1.Origin.Number, l1.Origin.Hash, ErrReorg)
	}
	s.origins = append(slices.Clip(s.origins), l1.Origin)
	return s, nil
}

// Apply applies the next batch, which lies in the newest L1 block. An error that
// matches ErrInvalid says that it derives to nothing; the state returned then is
// the one to go on with all the same, since the batch has taken its index.
func (s State) Apply(b *motet.PostedBatch) (State, *Derived, error) {
	if b.Index != s.batch {
		return s, nil, fmt.Errorf("batch %d comes where %d must: %w", b.Index, s.batch, ErrSkipped)
	}
	skipped := s
	skipped.batch++
	next, derived, err := skipped.apply(b)
	if err != nil {
		return skipped, nil, fmt.Errorf("batch %d: %w: %w", b.Index, ErrInvalid, err)
	}
	return next, derived, nil
}

// Refuse returns the state after a batch whose execution was found wanting: the
// one before it, the index taken.
func (s State) Refuse() State {
	s.batch++
	return s
}
