package l1bridge

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/beacon/engine"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/miner"
	"github.com/ethereum/go-ethereum/params"
)

// devHeadKey holds the hash of the block that is, or is about to become, the
// head. It lies in the chain database, beside geth's own keys.
const devHeadKey = "motet-dev-l1-head"

// buildLoop builds a block every blockTime, or, if that is zero, whenever a
// transaction arrives.
func (d *DevL1) buildLoop(ctx context.Context, blockTime time.Duration) error {
	if blockTime == 0 {
		return d.buildOnArrival(ctx)
	}
	tick := time.NewTicker(blockTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			// Blocks built on demand run ahead of the clock; it must catch up.
			if d.eth.BlockChain().CurrentBlock().Time <= uint64(time.Now().Unix()) {
				d.buildOrLog(ctx)
			}
		}
	}
}

func (d *DevL1) buildOnArrival(ctx context.Context) error {
	arrived := make(chan core.NewTxsEvent, 1024)
	sub := d.eth.TxPool().SubscribeTransactions(arrived, false)
	defer sub.Unsubscribe()
	for {
		// Blob transactions wait on disk, so there may be some at the start; and
		// one block takes all that arrived, so there may be none after an event.
		d.building.Lock()
		err := d.eth.TxPool().Sync() // one call at a time: a second makes geth forget the first
		d.building.Unlock()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("sync pool: %w", err)
		}
		if pending, _ := d.eth.TxPool().Stats(); pending > 0 {
			d.buildOrLog(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-arrived:
		}
	}
}

func (d *DevL1) buildOrLog(ctx context.Context) {
	if _, err := d.Mine(); err != nil && ctx.Err() == nil {
		d.log.Error("dev L1 builds no block", "err", err)
	}
}

// Mine builds a block on the head from what the pool holds. When it returns,
// and before anybody can see the block, the block is durable.
func (d *DevL1) Mine() (*types.Header, error) {
	d.building.Lock()
	defer d.building.Unlock()

	if err := d.eth.TxPool().Sync(); err != nil {
		return nil, fmt.Errorf("sync pool: %w", err)
	}
	parent := d.eth.BlockChain().CurrentBlock()
	var random common.Hash
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("draw randomness: %w", err)
	}
	beaconRoot := parent.Hash() // there is no beacon block; any value that differs will do
	block, envelope, err := d.eth.Miner().BuildTestingPayload(&miner.BuildPayloadArgs{
		Parent:      parent.Hash(),
		Timestamp:   max(parent.Time+1, uint64(time.Now().Unix())),
		Random:      random,
		Withdrawals: types.Withdrawals{},
		BeaconRoot:  &beaconRoot,
		Version:     engine.PayloadV3,
	}, nil, false, nil)
	if err != nil {
		return nil, fmt.Errorf("build on block %d: %w", parent.Number, err)
	}
	if err := d.keepBlobs(envelope.BlobsBundle); err != nil {
		return nil, err
	}
	if err := d.commit(block); err != nil {
		return nil, fmt.Errorf("commit block %d: %w", block.NumberU64(), err)
	}
	return block.Header(), nil
}

// commit makes a block durable, together with the decision that it is the head,
// and only then shows it. What geth writes while showing it may be lost in a
// crash; restoreHead repeats that.
func (d *DevL1) commit(block *types.Block) error {
	chain, db := d.eth.BlockChain(), d.eth.ChainDb()
	if _, err := chain.InsertBlockWithoutSetHead(context.Background(), block, false); err != nil {
		return err
	}
	if err := db.Put([]byte(devHeadKey), block.Hash().Bytes()); err != nil {
		return err
	}
	if err := db.SyncKeyValue(); err != nil {
		return err
	}
	return d.show(block)
}

func (d *DevL1) show(block *types.Block) error {
	chain := d.eth.BlockChain()
	if _, err := chain.SetCanonical(block); err != nil {
		return err
	}
	chain.SetSafe(block.Header())
	if n := block.NumberU64(); n > d.finality {
		chain.SetFinalized(chain.GetHeaderByNumber(n - d.finality))
	} else {
		chain.SetFinalized(chain.Genesis().Header())
	}
	return nil
}

// restoreHead shows the newest block that was decided on before the process
// last ended, whatever geth recovered by itself.
func (d *DevL1) restoreHead() error {
	chain, db := d.eth.BlockChain(), d.eth.ChainDb()
	ok, err := db.Has([]byte(devHeadKey))
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	if !ok {
		return d.commitGenesis()
	}
	raw, err := db.Get([]byte(devHeadKey))
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	hash := common.BytesToHash(raw)
	block := chain.GetBlockByHash(hash)
	if block == nil {
		return fmt.Errorf("block %s, which was the head, is lost", hash)
	}
	return d.show(block)
}

// commitGenesis makes the genesis durable before it is served: without it
// everything built on it would be an orphan after a crash.
func (d *DevL1) commitGenesis() error {
	genesis := d.eth.BlockChain().Genesis()
	db := d.eth.ChainDb()
	if err := db.Put([]byte(devHeadKey), genesis.Hash().Bytes()); err != nil {
		return err
	}
	if err := db.SyncKeyValue(); err != nil {
		return err
	}
	return d.show(genesis)
}

// keepBlobs stores the blobs of a block before the block exists. Geth drops
// them once they are final.
func (d *DevL1) keepBlobs(bundle *engine.BlobsBundle) error {
	if bundle == nil {
		return nil
	}
	hasher := sha256.New()
	for i, raw := range bundle.Blobs {
		var (
			commitment kzg4844.Commitment
			blob       kzg4844.Blob
		)
		if i >= len(bundle.Commitments) || len(raw) != params.BlobTxFieldElementsPerBlob*params.BlobTxBytesPerFieldElement {
			return errors.New("blob bundle of a built block is malformed")
		}
		copy(commitment[:], bundle.Commitments[i])
		copy(blob[:], raw)
		if err := d.blobs.put(kzg4844.CalcBlobHashV1(hasher, &commitment), &blob); err != nil {
			return err
		}
	}
	return nil
}
