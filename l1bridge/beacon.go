package l1bridge

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/motet-evm/motet"
)

// beaconBodyLimit is far above the blobs that any block may hold.
const beaconBodyLimit = 64 << 20

// beacon reads blobs from a beacon API, which it does not trust.
type beacon struct {
	base string
	http *http.Client

	mu    sync.Mutex
	clock *slotClock // nil until it was read
}

// slotClock turns the time of an L1 block into its slot. A development L1 has
// no slots: there millis is 0, and blocks are asked for by number.
type slotClock struct {
	genesis uint64 // seconds
	millis  uint64 // of a slot
}

// statusError is an answer other than 200.
type statusError struct {
	path   string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answers %d %s", e.path, e.status, http.StatusText(e.status))
}

func (b *beacon) get(ctx context.Context, path, query string, data any) error {
	target := b.base + path
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := b.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &statusError{path, resp.StatusCode}
	}
	body := struct {
		Data any `json:"data"`
	}{data}
	if err := json.NewDecoder(io.LimitReader(resp.Body, beaconBodyLimit)).Decode(&body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// blockID names the beacon block that holds h.
func (b *beacon) blockID(ctx context.Context, h *types.Header) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock == nil {
		clock, err := b.readClock(ctx)
		if err != nil {
			return "", err
		}
		b.clock = clock
	}
	if b.clock.millis == 0 {
		return h.Number.String(), nil
	}
	if h.Time < b.clock.genesis {
		return "", fmt.Errorf("L1 block %d is older than the beacon chain", h.Number)
	}
	return strconv.FormatUint((h.Time-b.clock.genesis)*1000/b.clock.millis, 10), nil
}

func (b *beacon) readClock(ctx context.Context) (*slotClock, error) {
	var spec struct {
		SecondsPerSlot string `json:"SECONDS_PER_SLOT"`
		SlotMillis     string `json:"SLOT_DURATION_MS"`
	}
	err := b.get(ctx, "/eth/v1/config/spec", "", &spec)
	var status *statusError
	if errors.As(err, &status) && status.status == http.StatusNotFound {
		return new(slotClock), nil
	}
	if err != nil {
		return nil, err
	}
	var genesis struct {
		Time string `json:"genesis_time"`
	}
	if err := b.get(ctx, "/eth/v1/beacon/genesis", "", &genesis); err != nil {
		return nil, err
	}
	clock := new(slotClock)
	if clock.genesis, err = strconv.ParseUint(genesis.Time, 10, 64); err != nil {
		return nil, fmt.Errorf("beacon genesis time %q: %w", genesis.Time, err)
	}
	if clock.millis, err = strconv.ParseUint(spec.SlotMillis, 10, 64); err != nil || clock.millis == 0 {
		seconds, err := strconv.ParseUint(spec.SecondsPerSlot, 10, 64)
		if err != nil || seconds == 0 {
			return nil, fmt.Errorf("beacon slot time %q: not in seconds", spec.SecondsPerSlot)
		}
		clock.millis = seconds * 1000
	}
	return clock, nil
}

// blobs asks for blobs by versioned hash, or for all of a block without hashes.
func (b *beacon) blobs(ctx context.Context, id string, hashes []common.Hash) ([]hexutil.Bytes, error) {
	query := make(url.Values)
	for _, hash := range hashes {
		query.Add("versioned_hashes", hash.Hex())
	}
	var blobs []hexutil.Bytes
	err := b.get(ctx, "/eth/v1/beacon/blobs/"+id, query.Encode(), &blobs)
	return blobs, err
}

// sidecars asks for all blobs of a block, the way of beacon nodes before Fusaka.
func (b *beacon) sidecars(ctx context.Context, id string) ([]hexutil.Bytes, error) {
	var sidecars []struct {
		Blob hexutil.Bytes `json:"blob"`
	}
	if err := b.get(ctx, "/eth/v1/beacon/blob_sidecars/"+id, "", &sidecars); err != nil {
		return nil, err
	}
	blobs := make([]hexutil.Bytes, len(sidecars))
	for i := range sidecars {
		blobs[i] = sidecars[i].Blob
	}
	return blobs, nil
}

// blobsOf returns the blobs with these versioned hashes, all of which block h
// holds, in their order: from the beacon API's current endpoint, from its older
// one, or from our archive. Each is checked against its hash.
func (c *Client) blobsOf(ctx context.Context, h *types.Header, hashes []common.Hash) ([]*kzg4844.Blob, error) {
	found := make(map[common.Hash]*kzg4844.Blob, len(hashes))
	failure := errors.New("the beacon API serves other blobs")
	sources := []func(id string) ([]hexutil.Bytes, error){
		func(id string) ([]hexutil.Bytes, error) { return c.beacon.blobs(ctx, id, hashes) },
		// Some servers take only one hash out of a list.
		func(id string) ([]hexutil.Bytes, error) { return c.beacon.blobs(ctx, id, nil) },
		func(id string) ([]hexutil.Bytes, error) { return c.beacon.sidecars(ctx, id) },
	}
	id, err := c.beacon.blockID(ctx, h)
	if err != nil {
		failure, sources = err, nil
	}
	for _, source := range sources {
		blobs, err := source(id)
		if err != nil {
			failure = err
			continue
		}
		if keepMatching(found, hashes, blobs) {
			break
		}
	}
	out := make([]*kzg4844.Blob, len(hashes))
	for i, hash := range hashes {
		if out[i] = found[hash]; out[i] != nil {
			continue
		}
		if out[i], err = c.archivedBlob(hash); err != nil {
			failure = err
		}
		if out[i] == nil {
			return nil, fmt.Errorf("blob %s of L1 block %d: %w: nobody has it: %w", hash, h.Number, motet.ErrUnavailable, failure)
		}
	}
	return out, nil
}

// keepMatching adds those blobs to found that are wanted, and reports whether
// none is missing any more.
func keepMatching(found map[common.Hash]*kzg4844.Blob, hashes []common.Hash, blobs []hexutil.Bytes) bool {
	wanted := make(map[common.Hash]bool, len(hashes))
	for _, hash := range hashes {
		wanted[hash] = found[hash] == nil
	}
	for _, raw := range blobs {
		blob := new(kzg4844.Blob)
		if len(raw) != len(blob) {
			continue
		}
		copy(blob[:], raw)
		if hash, err := hashBlob(blob); err == nil && wanted[hash] {
			found[hash] = blob
		}
	}
	for _, hash := range hashes {
		if found[hash] == nil {
			return false
		}
	}
	return true
}

func (c *Client) archivedBlob(hash common.Hash) (*kzg4844.Blob, error) {
	if c.archive == nil {
		return nil, nil
	}
	blob, err := c.archive.get(hash)
	if blob == nil || err != nil {
		return nil, err
	}
	got, err := hashBlob(blob)
	if err != nil {
		return nil, err
	}
	if got != hash {
		return nil, fmt.Errorf("archived blob %s hashes to %s", hash, got)
	}
	return blob, nil
}

func hashBlob(blob *kzg4844.Blob) (common.Hash, error) {
	commitment, err := kzg4844.BlobToCommitment(blob)
	if err != nil {
		return common.Hash{}, fmt.Errorf("commit to blob: %w", err)
	}
	return kzg4844.CalcBlobHashV1(sha256.New(), &commitment), nil
}
