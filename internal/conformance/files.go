package conformance

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// kind is a kind of tests.
type kind int

const (
	otherTests kind = iota
	stateTests
	blockTests
)

func (k kind) String() string {
	return [...]string{"other test", "state test", "block test"}[k]
}

// kindOf tells what a folder holds that has one of the official names.
func kindOf(folder string) (k kind, official bool) {
	switch folder {
	case "GeneralStateTests", "state_tests":
		return stateTests, true
	case "BlockchainTests", "blockchain_tests":
		return blockTests, true
	case "TransactionTests", "transaction_tests", "RLPTests", "TrieTests", "DifficultyTests", "BasicTests",
		"PoWTests", "KeyStoreTests", "ABITests", "blockchain_tests_engine", ".meta":
		return otherTests, true
	default:
		return otherTests, false
	}
}

// mayHold tells whether a file of a folder or an archive can hold tests of the
// kind. The outermost folder with an official name decides.
func (k kind) mayHold(path string) bool {
	if filepath.Ext(path) != ".json" {
		return false
	}
	for folder := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(path)), "/") {
		if holds, official := kindOf(folder); official {
			return holds == k
		}
	}
	return true
}

// file is a test file.
type file struct {
	name string // its path, within the archive if it comes from one
	raw  []byte
}

const archiveSuffix = ".tar.gz"

// files hands all files of the kind to use, in an order that stays the same.
func (c *Config) files(k kind, use func(file) error) error {
	for _, path := range c.Paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = c.folder(k, path, use)
		case strings.HasSuffix(path, archiveSuffix):
			err = c.archive(k, path, use)
		default:
			err = readFile(path, use)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) folder(k kind, root string, use func(file) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case strings.HasSuffix(path, archiveSuffix):
			return c.archive(k, path, use)
		case k.mayHold(path) && c.sampled(path):
			return readFile(path, use)
		default:
			return nil
		}
	})
}

func readFile(path string, use func(file) error) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return use(file{name: path, raw: raw})
}

func (c *Config) archive(k kind, path string, use func(file) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	members := tar.NewReader(unzipped)
	for {
		member, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if member.Typeflag != tar.TypeReg || !k.mayHold(member.Name) || !c.sampled(member.Name) {
			continue
		}
		raw, err := io.ReadAll(members)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := use(file{name: member.Name, raw: raw}); err != nil {
			return err
		}
	}
}

// sampled tells whether the file is one of the sample.
func (c *Config) sampled(name string) bool {
	if c.Sample < 2 {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(name)) // never fails
	return h.Sum32()%uint32(c.Sample) == 0
}
