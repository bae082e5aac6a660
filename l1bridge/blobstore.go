package l1bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

// blobStore keeps blobs as files named by their versioned hash.
type blobStore struct {
	dir string
}

func openBlobStore(dir string) (*blobStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create blob store: %w", err)
	}
	return &blobStore{dir: dir}, nil
}

func (s *blobStore) path(hash common.Hash) string {
	return filepath.Join(s.dir, hash.Hex()+".blob")
}

// put stores a blob and returns once it is durable, name included.
func (s *blobStore) put(hash common.Hash, blob *kzg4844.Blob) error {
	if _, err := os.Stat(s.path(hash)); err == nil {
		return nil
	}
	tmp, err := os.CreateTemp(s.dir, "*.tmp")
	if err != nil {
		return fmt.Errorf("store blob %s: %w", hash, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(blob[:])
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), s.path(hash))
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("store blob %s: %w", hash, err)
	}
	return nil
}

// get returns nil if the store does not hold the blob.
func (s *blobStore) get(hash common.Hash) (*kzg4844.Blob, error) {
	raw, err := os.ReadFile(s.path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", hash, err)
	}
	blob := new(kzg4844.Blob)
	if len(raw) != len(blob) {
		return nil, fmt.Errorf("stored blob %s has %d bytes", hash, len(raw))
	}
	copy(blob[:], raw)
	return blob, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
