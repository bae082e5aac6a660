package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/derive"
)

// checkpoint is a point as it lies on disk.
type checkpoint struct {
	Version int             `json:"version"`
	Rollup  common.Hash     `json:"rollup"` // hash of the rollup config
	L1      motet.BlockRef  `json:"l1"`
	Safe    motet.BlockRef  `json:"safe"`
	Acc     common.Hash     `json:"acc"`
	State   derive.Snapshot `json:"state"`
}

const (
	checkpointVersion = 2
	// checkpointEvery is the distance, in L1 blocks, of points that are kept.
	checkpointEvery = 8
)

// save keeps p, if it is far enough from the one kept before. Losing the file
// costs time and nothing else, so derivation goes on without it.
func (r *Replica) save(p *point) {
	if r.cfg.Checkpoint == "" || p.l1.Number < r.saved+checkpointEvery {
		return
	}
	r.saved = p.l1.Number
	if err := r.write(p); err != nil {
		r.deps.Log.Warn("checkpoint of derivation is not kept", slog.Any("err", err))
	}
}

func (r *Replica) write(p *point) error {
	snap, ok := p.state.Snapshot()
	if !ok {
		return nil
	}
	enc, err := json.Marshal(checkpoint{
		Version: checkpointVersion, Rollup: r.deps.Rollup.Hash(), L1: p.l1, Safe: p.safe, Acc: p.acc, State: snap,
	})
	if err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(r.cfg.Checkpoint), "."+filepath.Base(r.cfg.Checkpoint)+".new")
	if err := os.WriteFile(temp, enc, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, r.cfg.Checkpoint)
}

// load returns the point that was kept, nil if there is none that L1 and the
// chain both bear out.
func (r *Replica) load(ctx context.Context) (*point, error) {
	if r.cfg.Checkpoint == "" {
		return nil, nil
	}
	enc, err := os.ReadFile(r.cfg.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoint of derivation: %w", err)
	}
	unfit := func(why string) (*point, error) {
		r.deps.Log.Info("checkpoint of derivation is not used", slog.String("reason", why))
		return nil, nil
	}
	var c checkpoint
	if json.Unmarshal(enc, &c) != nil || c.Version != checkpointVersion {
		return unfit("it cannot be read")
	}
	if c.Rollup != r.deps.Rollup.Hash() {
		return unfit("it belongs to another rollup")
	}
	state, err := derive.Restore(r.deps.Rollup, c.State)
	if err != nil {
		return unfit("it cannot be read")
	}
	if last, ok := state.L1(); !ok || last.Number != c.L1.Number || last.Hash != c.L1.Hash || state.Safe() != c.Safe.Number {
		return unfit("it contradicts itself")
	}
	if h := r.deps.Chain.HeaderByNumber(c.Safe.Number); h == nil || h.Hash() != c.Safe.Hash {
		return unfit("the chain lacks its block")
	}
	block, err := r.deps.L1.Block(ctx, c.L1.Number)
	switch {
	case errors.Is(err, ethereum.NotFound) || err == nil && block.Origin.Hash != c.L1.Hash:
		return unfit("L1 lacks its block")
	case err != nil:
		return nil, err
	}
	return &point{l1: c.L1, state: state, safe: c.Safe, acc: c.Acc}, nil
}
