package batcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/derive"
	"github.com/motet-evm/motet/l1bridge"
)

// State is a station in the life of a batch.
type State string

// The states, in order.
const (
	// Pending: nothing is kept of the batch; the blocks wait for the next one.
	Pending State = "pending"
	// Encoded: payload and place in the Inbox are fixed.
	Encoded State = "encoded"
	// Signed: so is the L1 transaction, which nobody has seen yet.
	Signed State = "signed"
	// Broadcast: L1 has been given the transaction.
	Broadcast State = "broadcast"
	// Mined: the Inbox accepted the batch.
	Mined State = "mined"
	// Safe: derivation accepted it too.
	Safe State = "safe"
)

// job is a batch with its state, as it lies on disk.
type job struct {
	State   State             `json:"state"`
	Inbox   common.Address    `json:"inbox"`
	Index   uint64            `json:"index"`
	PrevAcc common.Hash       `json:"prev_acc"`
	Header  motet.BatchHeader `json:"header"`
	// Tail is the last block, complete in the batch or not.
	Tail motet.BlockRef `json:"tail"`
	// End is where the next batch starts.
	End     derive.Position  `json:"end"`
	Txs     int              `json:"txs"`
	Payload []byte           `json:"payload,omitempty"`
	Signed  *l1bridge.Signed `json:"signed,omitempty"`
	L1Block uint64           `json:"l1_block,omitempty"`
	Acc     common.Hash      `json:"acc"` // of the Inbox once it is mined
}

// underWay tells whether the batch has begun and is not mined yet.
func (j *job) underWay() bool {
	return j != nil && (j.State == Encoded || j.State == Signed || j.State == Broadcast)
}

// enter puts the batch into a state and makes that durable.
func (b *Batcher) enter(s State) error {
	b.job.State = s
	kept := *b.job
	if !kept.underWay() {
		kept.Payload, kept.Signed = nil, nil // L1 has them now, or nobody needs them
	}
	enc, err := json.Marshal(&kept)
	if err != nil {
		return fmt.Errorf("encode state of batch %d: %w", kept.Index, err)
	}
	if err := writeDurably(b.cfg.StateFile, enc); err != nil {
		return fmt.Errorf("keep state of batch %d: %w (%w)", kept.Index, err, motet.ErrHalt)
	}
	return nil
}

func parseJob(enc []byte) (j *job, ok bool) {
	j = new(job)
	err := json.Unmarshal(enc, j)
	return j, err == nil && (!j.underWay() || j.State == Encoded || j.Signed != nil)
}

// load reads the batch that an earlier run left.
func (b *Batcher) load() error {
	enc, err := os.ReadFile(b.cfg.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state of batches: %w", err)
	}
	j, ok := parseJob(enc)
	if !ok {
		// The file spares work and no more: L1 knows what was posted.
		b.deps.Log.Warn("state of batches cannot be read, starting from L1")
		return nil
	}
	if j.Inbox != b.deps.Rollup.Inbox {
		b.deps.Log.Warn("state of batches belongs to another inbox, starting from L1")
		return nil
	}
	b.job = j
	if j.State == Mined {
		b.marks = append(b.marks, j.mark())
	}
	return nil
}

func (j *job) mark() mark { return mark{index: j.Index, acc: j.Acc, end: j.End} }

// writeDurably replaces a file as a whole. The new content is on disk when it
// returns.
func writeDurably(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".batch-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already if all went well
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir) //nolint:gosec // the configured directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
