package chain

import (
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

func TestDevGenesisIsValid(t *testing.T) {
	t.Parallel()
	noErr(t, CheckGenesis(testGenesis()))
	g := DevGenesis(DevConfig{ChainID: 1, GasLimit: 30_000_000, Alloc: map[common.Address]*uint256.Int{{1}: uint256.NewInt(0)}})
	noErr(t, CheckGenesis(g)) // an account without balance was left out
}

// What the genesis of a development chain consists of must not change by
// accident: chains with rollup configs depend on its hash.
func TestDevGenesisPins(t *testing.T) {
	t.Parallel()
	g := DevGenesis(DevConfig{ChainID: 4242, GasLimit: 60_000_000, Timestamp: 1_700_000_000, Alloc: map[common.Address]*uint256.Int{{1}: uint256.NewInt(1)}})
	equal(t, common.HexToHash("0x4a6f04785e667f1c674dca3f5046f80d87df4877b32a4ed4e4e131b94c417446"), g.ToBlock().Hash())
	equal(t, []byte{0}, g.Alloc[params.WithdrawalQueueAddress].Code)
	equal(t, []byte{0}, g.Alloc[params.ConsolidationQueueAddress].Code)
	equal(t, common.Address{}, g.Config.DepositContractAddress)
}

func TestCheckGenesis(t *testing.T) {
	t.Parallel()
	account := common.Address{0xaa}
	for name, spoil := range map[string]func(*core.Genesis){
		"an empty account":     func(g *core.Genesis) { g.Alloc[account] = types.Account{Balance: new(big.Int)} },
		"a live request stub":  func(g *core.Genesis) { setCode(g, params.WithdrawalQueueAddress, params.WithdrawalQueueCode) },
		"no request stub":      func(g *core.Genesis) { delete(g.Alloc, params.ConsolidationQueueAddress) },
		"no beacon roots":      func(g *core.Genesis) { delete(g.Alloc, params.BeaconRootsAddress) },
		"no block hashes":      func(g *core.Genesis) { setCode(g, params.HistoryStorageAddress, []byte{1}) },
		"a deposit contract":   func(g *core.Genesis) { g.Config.DepositContractAddress = account },
		"proof of work":        func(g *core.Genesis) { g.Config.TerminalTotalDifficulty = big.NewInt(1) },
		"difficulty":           func(g *core.Genesis) { g.Difficulty = big.NewInt(1) },
		"no chain id":          func(g *core.Genesis) { g.Config.ChainID = nil },
		"a wide chain id":      func(g *core.Genesis) { g.Config.ChainID = new(big.Int).Lsh(common.Big1, 64) },
		"no chain config":      func(g *core.Genesis) { g.Config = nil },
		"an old fork":          func(g *core.Genesis) { g.Config.PragueTime, g.Config.OsakaTime = nil, nil },
		"a fork to come":       func(g *core.Genesis) { later := uint64(9e9); g.Config.AmsterdamTime = &later },
		"no stub of Amsterdam": func(g *core.Genesis) { g.Config.AmsterdamTime = g.Config.OsakaTime },
		"a number":             func(g *core.Genesis) { g.Number = 3 },
		"forks in wrong order": func(g *core.Genesis) { g.Config.LondonBlock = nil },
	} {
		g := testGenesis()
		spoil(g)
		var reason *GenesisError
		if err := CheckGenesis(g); !errors.As(err, &reason) {
			t.Errorf("a genesis with %s: %v", name, err)
		}
	}
}

// TestCheckGenesisNamesAll: whoever writes a genesis learns at once which contracts are
// missing, and of none that is there.
func TestCheckGenesisNamesAll(t *testing.T) {
	t.Parallel()
	osaka := []common.Address{
		params.BeaconRootsAddress, params.HistoryStorageAddress, params.WithdrawalQueueAddress, params.ConsolidationQueueAddress,
	}
	amsterdam := []common.Address{params.BuilderDepositAddress, params.BuilderExitAddress}
	for name, c := range map[string]struct {
		amsterdam    bool
		missing, not []common.Address
	}{
		"all":            {false, osaka, amsterdam},
		"all, Amsterdam": {true, slices.Concat(osaka, amsterdam), nil},
		"stubs alone":    {true, slices.Concat(osaka[2:], amsterdam), osaka[:2]},
	} {
		g := DevGenesis(DevConfig{ChainID: testChainID, GasLimit: 30_000_000, Amsterdam: c.amsterdam})
		for _, addr := range c.missing {
			delete(g.Alloc, addr)
		}
		err := CheckGenesis(g)
		if err == nil {
			t.Fatalf("%s: the genesis was taken", name)
		}
		for _, addr := range c.missing {
			if !strings.Contains(err.Error(), "account "+addr.String()+" must hold the ") {
				t.Errorf("%s: %s is not named: %v", name, addr, err)
			}
		}
		for _, addr := range c.not {
			if strings.Contains(err.Error(), addr.String()) {
				t.Errorf("%s: %s is named: %v", name, addr, err)
			}
		}
	}
}

// TestAmsterdamGenesis: Amsterdam may be in force from the start.
func TestAmsterdamGenesis(t *testing.T) {
	t.Parallel()
	g := DevGenesis(DevConfig{ChainID: testChainID, GasLimit: 30_000_000, Timestamp: 7, Amsterdam: true})
	noErr(t, CheckGenesis(g))
	h := g.ToBlock().Header()
	equal(t, uint64(7), *h.SlotNumber)
	open := motet.Open{Number: 1, Timestamp: 9, BaseFee: big.NewInt(1)}
	equal(t, uint64(9), *open.Header(h.Hash(), g.Config).SlotNumber)
	if open.Header(h.Hash(), testGenesis().Config).SlotNumber != nil {
		t.Error("a header under Osaka rules has a slot number")
	}
}

func setCode(g *core.Genesis, addr common.Address, code []byte) {
	account := g.Alloc[addr]
	account.Code = code
	g.Alloc[addr] = account
}

func TestReadGenesis(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "genesis.json")
	if _, err := ReadGenesis(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a missing file: %v", err)
	}
	noErr(t, WriteGenesis(path, testGenesis()))
	g, err := ReadGenesis(path)
	noErr(t, err)
	equal(t, testGenesis().ToBlock().Hash(), g.ToBlock().Hash())
	noErr(t, CheckGenesis(g))
	for _, text := range []string{"{", `{"alloc":{}}`, `[]`} {
		noErr(t, os.WriteFile(path, []byte(text), 0o600))
		if _, err := ReadGenesis(path); err == nil {
			t.Errorf("%q was read as a genesis", text)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	s.extendNext()
	if _, err := tryOpen(t, s.dir); !errors.Is(err, ErrDatadirUsed) {
		t.Fatalf("a second opener is told %v", err)
	}
	noErr(t, s.Close())

	var foreign *ForeignDatadirError
	_, err := tryOpen(t, s.dir, func(c *Config, _ *Deps) { c.Genesis.GasLimit++ })
	if !errors.As(err, &foreign) || foreign.Stored != s.Genesis().Hash() {
		t.Fatalf("another genesis: %v", err)
	}
	// geth by itself would remove the blocks that the changed schedule concerns.
	_, err = tryOpen(t, s.dir, func(c *Config, _ *Deps) { c.Genesis.Config.OsakaTime = nil })
	if _, ok := errors.AsType[*ForkScheduleError](err); !ok {
		t.Fatalf("another fork schedule: %v", err)
	}
	again := openSUT(t, s.dir)
	equal(t, s.Head().Hash(), again.Head().Hash())

	for _, spoil := range []func(*Config){
		func(c *Config) { c.DataDir = "" },
		func(c *Config) { c.Genesis = nil },
		func(c *Config) { c.History = 3 },
		func(c *Config) { c.FlushBlocks = 1000 },
		func(c *Config) { c.FlushInterval = -1 },
		func(c *Config) { c.CacheMiB = -1 },
	} {
		if _, err := tryOpen(t, t.TempDir(), func(c *Config, _ *Deps) { spoil(c) }); err == nil {
			t.Error("a configuration that cannot work was accepted")
		}
	}
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	s := newSUT(t, func(c *Config, _ *Deps) { c.MinFreeMiB = 1 })
	noErr(t, s.Healthy())
	s.conf.MinFreeMiB = 1 << 40
	if err := s.Healthy(); !errors.Is(err, motet.ErrUnavailable) {
		t.Fatalf("Healthy says %v, want ErrUnavailable", err)
	}
}
