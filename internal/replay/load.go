package replay

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/oracle"
)

// recordedBlock is a block with the state that it reads.
type recordedBlock struct {
	config      *params.ChainConfig
	header      *types.Header
	txs         []*motet.Tx
	withdrawals types.Withdrawals
	hashes      map[uint64]common.Hash
	state       *oracle.Memory
	root        common.Hash // its name
	// sealed tells whether the header holds results to check against.
	sealed bool
	// list is the access list to execute along, nil for none.
	list *bal.BlockAccessList
}

func (b *recordedBlock) blockHash(number uint64) common.Hash { return b.hashes[number] }

// parent heads the block before. Of the real one only number and hash are
// known, and the hash stands in the header as well. The root stands for the recorded
// state: by it executors know whether they have read that before.
func (b *recordedBlock) parent() *types.Header {
	return &types.Header{
		Number:     new(big.Int).Sub(b.header.Number, common.Big1),
		Difficulty: new(big.Int),
		GasLimit:   b.header.GasLimit,
		Root:       b.root,
	}
}

// storedAccount is the JSON form of an account; code is given by its hash or
// in full.
type storedAccount struct {
	Balance  *hexutil.Big            `json:"balance"`
	Nonce    uint64                  `json:"nonce"`
	CodeHash *common.Hash            `json:"codeHash"`
	Code     *hexutil.Bytes          `json:"code"`
	Storage  map[shortHash]shortHash `json:"storage"`
}

// storedBlock is the JSON form of a block.
type storedBlock struct {
	ChainID      uint64                           `json:"chainId"`
	Header       *types.Header                    `json:"header"`
	Transactions types.Transactions               `json:"transactions"`
	Withdrawals  types.Withdrawals                `json:"withdrawals"`
	BlockHashes  map[uint64]common.Hash           `json:"blockHashes"`
	Pre          map[common.Address]storedAccount `json:"pre"`

	// Blocks whose signatures were not recorded have these in place of Header
	// and Transactions.
	Env      *storedEnv `json:"env"`
	Unsigned []storedTx `json:"transactionsUnsigned"`

	// Blocks with a witness have these in place of all others but ChainID.
	Witness      *storedWitness `json:"witness"`
	Block        hexutil.Bytes  `json:"block"` // RLP
	Hash         common.Hash    `json:"hash"`
	PreStateRoot common.Hash    `json:"preStateRoot"`
}

// shortHash is a 32-byte word in hex whose leading zeros may be missing.
type shortHash common.Hash

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *shortHash) UnmarshalText(text []byte) error {
	digits := strings.TrimPrefix(string(text), "0x")
	if len(digits) > 64 {
		return fmt.Errorf("word %s is longer than 32 bytes", text)
	}
	return (*common.Hash)(h).UnmarshalText([]byte("0x" + strings.Repeat("0", 64-len(digits)) + digits))
}

// findBlocks lists the block files that paths name: files as they are, folders
// by the *.json.gz in them or in their "blocks", in the order of block numbers.
func findBlocks(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := blocksIn(path)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// ErrNoBlocks says that a folder holds nothing to replay.
var ErrNoBlocks = errors.New("no block files (*.json.gz) are in it")

func blocksIn(dir string) ([]string, error) {
	for _, d := range []string{filepath.Join(dir, "blocks"), dir} {
		found, err := filepath.Glob(filepath.Join(d, "*.json.gz"))
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(f string) bool { return filepath.Base(f) == codesFile })
		if len(found) == 0 {
			continue
		}
		slices.SortFunc(found, func(a, b string) int {
			if len(a) != len(b) {
				return len(a) - len(b)
			}
			return strings.Compare(a, b)
		})
		return found, nil
	}
	return nil, fmt.Errorf("%s: %w", dir, ErrNoBlocks)
}

const codesFile = "codes.json.gz"

// loader reads block files. It keeps the codes that blocks of a folder share.
type loader struct {
	codes map[string]map[common.Hash][]byte // by file
}

func (l *loader) load(path string) (*recordedBlock, error) {
	stored := new(storedBlock)
	if err := readGzip(path, stored); err != nil {
		return nil, err
	}
	codes, err := l.codesFor(path)
	if err != nil {
		return nil, err
	}
	if stored.ChainID != params.MainnetChainConfig.ChainID.Uint64() {
		return nil, fmt.Errorf("%s: chain %d is not known here, only Ethereum mainnet is", path, stored.ChainID)
	}
	b := &recordedBlock{
		config:      params.MainnetChainConfig,
		header:      stored.Header,
		withdrawals: stored.Withdrawals,
		hashes:      stored.BlockHashes,
		root:        crypto.Keccak256Hash([]byte(path)),
	}
	if b.state, err = newState(stored.Pre, codes); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case stored.Witness != nil:
		err = b.takeWitness(stored)
	case stored.Env != nil:
		err = b.takeUnsigned(stored)
	case stored.Header != nil:
		err = b.takeSigned(stored.Transactions)
	default:
		err = errors.New("header is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// takeSigned checks transactions and withdrawals against the header, and that against its
// fork, so that a damaged file is not taken for a fault of execution, and recovers the
// senders.
func (b *recordedBlock) takeSigned(txs types.Transactions) error {
	h := b.header
	if h.Number == nil || !h.Number.IsUint64() || h.Difficulty == nil || (h.BaseFee != nil) != b.config.IsLondon(h.Number) ||
		(h.WithdrawalsHash != nil) != b.config.IsShanghai(h.Number, h.Time) || (h.ExcessBlobGas != nil) != b.config.IsCancun(h.Number, h.Time) {
		return errors.New("the header is not one of the fork that its number and time tell")
	}
	if root := types.DeriveSha(txs, trie.NewStackTrie(nil)); root != h.TxHash {
		return fmt.Errorf("transactions have root %v, the header says %v", root, h.TxHash)
	}
	withdrawn := types.EmptyWithdrawalsHash
	if h.WithdrawalsHash != nil {
		withdrawn = *h.WithdrawalsHash
	}
	if root := types.DeriveSha(b.withdrawals, trie.NewStackTrie(nil)); root != withdrawn {
		return fmt.Errorf("withdrawals have root %v, the header says %v", root, withdrawn)
	}
	b.sealed = true
	var err error
	b.txs, err = motet.RecoverTxs(types.MakeSigner(b.config, h.Number, h.Time), txs)
	return err
}

// codesFor reads the codes beside a block file or beside its folder; a file
// that holds its codes itself needs none.
func (l *loader) codesFor(path string) (map[common.Hash][]byte, error) {
	dir := filepath.Dir(path)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		file := filepath.Join(d, codesFile)
		if codes, ok := l.codes[file]; ok {
			return codes, nil
		}
		stored := make(map[common.Hash]hexutil.Bytes)
		switch err := readGzip(file, &stored); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		codes := make(map[common.Hash][]byte, len(stored))
		for hash, code := range stored {
			codes[hash] = code
		}
		if l.codes == nil {
			l.codes = make(map[string]map[common.Hash][]byte)
		}
		l.codes[file] = codes
		return codes, nil
	}
	return nil, nil
}

func newState(pre map[common.Address]storedAccount, shared map[common.Hash][]byte) (*oracle.Memory, error) {
	s := oracle.NewMemory()
	for addr, stored := range pre {
		a := &oracle.MemoryAccount{
			Nonce:    stored.Nonce,
			CodeHash: types.EmptyCodeHash,
			Storage:  make(map[common.Hash]common.Hash, len(stored.Storage)),
		}
		if stored.Balance != nil {
			a.Balance = *uint256.MustFromBig(stored.Balance.ToInt())
		}
		switch {
		case stored.Code != nil && len(*stored.Code) > 0:
			a.CodeHash = crypto.Keccak256Hash(*stored.Code)
			s.Codes[a.CodeHash] = *stored.Code
		case stored.CodeHash != nil && *stored.CodeHash != types.EmptyCodeHash:
			code, ok := shared[*stored.CodeHash]
			if !ok {
				return nil, fmt.Errorf("code %v of %v is missing", *stored.CodeHash, addr)
			}
			a.CodeHash = *stored.CodeHash
			s.Codes[a.CodeHash] = code
		}
		for slot, value := range stored.Storage {
			a.Storage[common.Hash(slot)] = common.Hash(value)
		}
		s.Accounts[addr] = a
	}
	return s, nil
}

func readGzip(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.NewDecoder(unzipped).Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
