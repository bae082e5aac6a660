package oracletest

import (
	"crypto/ecdsa"
	_ "embed" // for the bytecode
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/holiman/uint256"
)

//go:embed contracts/Knife.hex
var knifeHex string

// knifeCode is the runtime code of contracts/Knife.yul.
func knifeCode() []byte {
	code, err := hex.DecodeString(strings.TrimSpace(knifeHex))
	if err != nil {
		panic(err) // the file is committed with the package
	}
	return code
}

const chainID = 1337

// ether is 10^18 wei.
func ether(n uint64) *uint256.Int {
	return new(uint256.Int).Mul(uint256.NewInt(n), uint256.NewInt(params.Ether))
}

// fork names a set of rules that blocks are made for.
type fork struct {
	name   string
	config *params.ChainConfig
}

// forks are the rules under test, the product's own first. Later ones are there
// since blocks of other chains can be imported.
func forks() []fork {
	at := func(timed int, london bool) *params.ChainConfig {
		zero := uint64(0)
		c := *params.AllEthashProtocolChanges
		c.ChainID = big.NewInt(chainID)
		c.TerminalTotalDifficulty = common.Big0
		c.ArrowGlacierBlock, c.GrayGlacierBlock, c.MergeNetsplitBlock = nil, nil, nil
		c.BlobScheduleConfig = params.DefaultBlobSchedule
		if !london {
			c.LondonBlock = nil
		}
		for i, t := range []**uint64{&c.ShanghaiTime, &c.CancunTime, &c.PragueTime, &c.OsakaTime, &c.AmsterdamTime} {
			*t = nil
			if i < timed {
				*t = &zero
			}
		}
		return &c
	}
	byzantium := at(0, false)
	byzantium.ConstantinopleBlock, byzantium.PetersburgBlock, byzantium.IstanbulBlock = nil, nil, nil
	byzantium.MuirGlacierBlock, byzantium.BerlinBlock = nil, nil
	spurious, tangerine, homestead, frontier := *byzantium, *byzantium, *byzantium, *byzantium
	for i, c := range []*params.ChainConfig{&spurious, &tangerine, &homestead, &frontier} {
		c.ByzantiumBlock = nil
		if i > 0 {
			c.EIP155Block, c.EIP158Block = nil, nil
		}
		if i > 1 {
			c.EIP150Block = nil
		}
		if i > 2 {
			c.HomesteadBlock, c.DAOForkBlock = nil, nil
		}
	}
	return []fork{
		{"osaka", at(4, true)},
		{"prague", at(3, true)},
		{"cancun", at(2, true)},
		{"shanghai", at(1, true)},
		{"london", at(0, true)},
		{"berlin", at(0, false)},
		{"byzantium", byzantium},
		{"amsterdam", at(5, true)},
		{"spurious dragon", &spurious},
		{"tangerine whistle", &tangerine},
		{"homestead", &homestead},
		{"frontier", &frontier},
	}
}

// world is the state that blocks are made up on, and all that is known of it.
type world struct {
	fork  fork
	db    state.Database
	root  common.Hash
	head  *types.Header // of the newest block
	nonce uint64        // makes transaction hashes unique
	// fit turns a made-up header into one that a real chain takes, and returns
	// that chain's block hashes. It may be nil.
	fit func(*types.Header) func(number uint64) common.Hash

	keys    []*ecdsa.PrivateKey
	eoas    []common.Address // of keys, all rich
	poor    []common.Address // of the keys after those: next to nothing
	knives  []common.Address
	targets []common.Address // worth calling or paying; grows
}

const (
	richAccounts = 10
	poorAccounts = 3
)

// newWorld commits the genesis state.
func newWorld(f fork) (*world, error) {
	disk := rawdb.NewMemoryDatabase()
	w := &world{fork: f, db: state.NewMPTDatabase(triedb.NewDatabase(disk, nil), state.NewCodeDB(disk))}
	for i := range richAccounts + poorAccounts {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "oracle account %d", i)))
		if err != nil {
			return nil, err
		}
		w.keys = append(w.keys, key)
		addr := crypto.PubkeyToAddress(key.PublicKey)
		if i < richAccounts {
			w.eoas = append(w.eoas, addr)
		} else {
			w.poor = append(w.poor, addr)
		}
	}
	for i := range 6 {
		w.knives = append(w.knives, common.BytesToAddress(fmt.Appendf(nil, "knife %d", i)))
	}
	if err := w.commitGenesis(); err != nil {
		return nil, err
	}
	w.targets = append(append(w.targets, w.knives...), w.eoas...)
	w.targets = append(append(w.targets, w.poor...), w.others()...)
	return w, nil
}

// others are addresses without code in the genesis: precompiles (the last of
// Osaka alone), nobody, system contracts.
func (w *world) others() []common.Address {
	list := []common.Address{{}, params.SystemAddress, params.HistoryStorageAddress, params.BeaconRootsAddress, params.WithdrawalQueueAddress}
	for _, b := range [][]byte{{1}, {2}, {3}, {4}, {5}, {9}, {0x0b}, {1, 0}} {
		list = append(list, common.BytesToAddress(b))
	}
	for i := range 4 {
		list = append(list, common.BytesToAddress(fmt.Appendf(nil, "nobody %d", i)))
	}
	return list
}

func (w *world) commitGenesis() error {
	sdb, err := state.New(types.EmptyRootHash, w.db)
	if err != nil {
		return err
	}
	for _, addr := range w.eoas {
		sdb.SetBalance(addr, ether(1000), tracing.BalanceIncreaseGenesisBalance)
	}
	sdb.SetBalance(w.poor[0], uint256.NewInt(1), tracing.BalanceIncreaseGenesisBalance)
	code := knifeCode()
	for i, addr := range w.knives {
		sdb.SetNonce(addr, 1, tracing.NonceChangeGenesis)
		sdb.SetCode(addr, code, tracing.CodeChangeGenesis)
		sdb.SetBalance(addr, uint256.NewInt(uint64(i*1000)), tracing.BalanceIncreaseGenesisBalance)
		for slot := range i {
			sdb.SetState(addr, common.BigToHash(big.NewInt(int64(slot))), common.BigToHash(big.NewInt(int64(slot+i))))
		}
	}
	rules := w.fork.config.Rules(common.Big0, true, 0)
	if rules.IsPrague {
		// The last account is delegated from the start.
		sdb.SetCode(w.eoas[richAccounts-1], types.AddressToDelegation(w.knives[0]), tracing.CodeChangeGenesis)
		sdb.SetNonce(w.eoas[richAccounts-1], 1, tracing.NonceChangeGenesis)
	}
	for addr, code := range map[common.Address][]byte{
		params.BeaconRootsAddress:        params.BeaconRootsCode,
		params.HistoryStorageAddress:     params.HistoryStorageCode,
		params.WithdrawalQueueAddress:    params.WithdrawalQueueCode,
		params.ConsolidationQueueAddress: params.ConsolidationQueueCode,
		params.BuilderDepositAddress:     params.BuilderDepositCode,
		params.BuilderExitAddress:        params.BuilderExitCode,
	} {
		sdb.SetNonce(addr, 1, tracing.NonceChangeGenesis)
		sdb.SetCode(addr, code, tracing.CodeChangeGenesis)
	}
	w.root, err = sdb.Commit(rules, 0)
	w.head = &types.Header{
		Number:     new(big.Int),
		Difficulty: new(big.Int),
		Root:       w.root,
		GasLimit:   30_000_000,
		Time:       1_700_000_000,
	}
	return err
}

// reader returns the state after the newest block.
func (w *world) reader() (state.Reader, error) { return w.db.Reader(w.root) }

// blockHashes returns the hashes of the ancestors of the block after head. Those
// before head are made up.
func blockHashes(head *types.Header) func(number uint64) common.Hash {
	newest, hash := head.Number.Uint64(), head.Hash()
	return func(number uint64) common.Hash {
		switch {
		case number == newest:
			return hash
		case number > newest:
			return common.Hash{}
		}
		return crypto.Keccak256Hash(fmt.Appendf(nil, "block %d", number))
	}
}
