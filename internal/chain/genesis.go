package chain

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// DevConfig describes the genesis of a development chain.
type DevConfig struct {
	ChainID   uint64
	GasLimit  uint64
	Timestamp uint64 // seconds
	// Alloc are balances in wei.
	Alloc map[common.Address]*uint256.Int
	// Amsterdam has the rules of that fork in force instead of Osaka's.
	Amsterdam bool
}

// multicall3Hex is the runtime bytecode of Multicall3 (MIT), as deployed on the
// public networks.
//
//go:embed bytecode/multicall3.hex
var multicall3Hex string

// Multicall3Address is where wallets and libraries expect Multicall3.
var Multicall3Address = common.HexToAddress("0xcA11bde05977b3631167028862bE2a173976CA11") //nolint:gochecknoglobals // a constant

// requestStub is the code of the contracts that Ethereum's execution-layer
// requests come from: STOP. A call succeeds and returns nothing, so no block of
// a Motet chain has requests.
var requestStub = []byte{0x00} //nolint:gochecknoglobals // a constant

// DevGenesis returns the genesis of a development chain: Osaka rules (or
// Amsterdam's) from the first block, system contracts, request stubs, the predeploys that tools
// expect, and the given balances.
func DevGenesis(conf DevConfig) *core.Genesis {
	zero := uint64(0)
	alloc := SystemAllocs()
	maps.Copy(alloc, types.GenesisAlloc{
		params.DeterministicFactoryAddress: {Nonce: 1, Code: params.DeterministicFactoryCode, Balance: new(big.Int)},
		Multicall3Address:                  {Nonce: 1, Code: multicall3Code(), Balance: new(big.Int)},
	})
	for addr, balance := range conf.Alloc {
		if balance.IsZero() {
			continue // an empty account must not be part of the state
		}
		account := alloc[addr]
		account.Balance = balance.ToBig()
		alloc[addr] = account
	}
	blobs := params.DefaultBlobSchedule
	g := &core.Genesis{
		Config: &params.ChainConfig{
			ChainID:                 new(big.Int).SetUint64(conf.ChainID),
			HomesteadBlock:          new(big.Int),
			EIP150Block:             new(big.Int),
			EIP155Block:             new(big.Int),
			EIP158Block:             new(big.Int),
			ByzantiumBlock:          new(big.Int),
			ConstantinopleBlock:     new(big.Int),
			PetersburgBlock:         new(big.Int),
			IstanbulBlock:           new(big.Int),
			MuirGlacierBlock:        new(big.Int),
			BerlinBlock:             new(big.Int),
			LondonBlock:             new(big.Int),
			ArrowGlacierBlock:       new(big.Int),
			GrayGlacierBlock:        new(big.Int),
			MergeNetsplitBlock:      new(big.Int),
			ShanghaiTime:            &zero,
			CancunTime:              &zero,
			PragueTime:              &zero,
			OsakaTime:               &zero,
			TerminalTotalDifficulty: new(big.Int),
			BlobScheduleConfig:      &params.BlobScheduleConfig{Cancun: blobs.Cancun, Prague: blobs.Prague},
		},
		Timestamp:     conf.Timestamp,
		ExtraData:     []byte{},
		GasLimit:      conf.GasLimit,
		Difficulty:    new(big.Int),
		Alloc:         alloc,
		BaseFee:       big.NewInt(params.InitialBaseFee),
		ExcessBlobGas: &zero,
		BlobGasUsed:   &zero,
	}
	if conf.Amsterdam {
		g.Config.AmsterdamTime = &zero
		g.SlotNumber = &g.Timestamp // see motet.Open
		alloc[params.BuilderDepositAddress] = types.Account{Nonce: 1, Code: requestStub, Balance: new(big.Int)}
		alloc[params.BuilderExitAddress] = types.Account{Nonce: 1, Code: requestStub, Balance: new(big.Int)}
	}
	return g
}

// SystemAllocs returns the accounts that every Motet genesis needs: the system
// contracts of EIP-4788 and EIP-2935, and the request stubs.
func SystemAllocs() types.GenesisAlloc {
	return types.GenesisAlloc{
		params.BeaconRootsAddress:        {Nonce: 1, Code: params.BeaconRootsCode, Balance: new(big.Int)},
		params.HistoryStorageAddress:     {Nonce: 1, Code: params.HistoryStorageCode, Balance: new(big.Int)},
		params.WithdrawalQueueAddress:    {Nonce: 1, Code: requestStub, Balance: new(big.Int)},
		params.ConsolidationQueueAddress: {Nonce: 1, Code: requestStub, Balance: new(big.Int)},
	}
}

func multicall3Code() []byte {
	code, err := hex.DecodeString(strings.TrimSpace(multicall3Hex))
	if err != nil {
		panic(err) // the file is part of the program
	}
	return code
}

// ReadGenesis reads a genesis in geth's JSON format. It does not check whether
// a Motet chain can start from it: see CheckGenesis.
func ReadGenesis(path string) (*core.Genesis, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read genesis: %w", err)
	}
	g := new(core.Genesis)
	if err := json.Unmarshal(raw, g); err != nil {
		return nil, fmt.Errorf("read genesis %s: %w", path, err)
	}
	if g.Config == nil {
		return nil, fmt.Errorf("read genesis %s: it has no chain config", path)
	}
	return g, nil
}

// WriteGenesis writes g in the format that ReadGenesis and "geth init" read.
func WriteGenesis(path string, g *core.Genesis) error {
	raw, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return fmt.Errorf("encode genesis: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil { //nolint:gosec // public by nature
		return fmt.Errorf("write genesis: %w", err)
	}
	return nil
}
