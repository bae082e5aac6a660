package chain

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// GenesisError says why a Motet chain cannot start from a genesis.
type GenesisError struct{ Reason string }

func (e *GenesisError) Error() string { return "genesis: " + e.Reason }

// CheckGenesis reports why no Motet chain can start from g, as a *GenesisError.
//
// The rules exist so that blocks built by Motet are valid for a stock node
// forever: an empty account would vanish when it is touched, and a live request
// contract would give blocks requests that nobody serves.
func CheckGenesis(g *core.Genesis) error {
	c := g.Config
	switch {
	case c == nil || c.ChainID == nil || c.ChainID.Sign() <= 0:
		return &GenesisError{Reason: "no chain config with a chain id"}
	case !c.ChainID.IsUint64():
		return &GenesisError{Reason: "chain id exceeds 64 bits"}
	case c.TerminalTotalDifficulty == nil || c.TerminalTotalDifficulty.Sign() != 0:
		return &GenesisError{Reason: "terminalTotalDifficulty must be 0: the chain has no proof of work"}
	case g.Difficulty != nil && g.Difficulty.Sign() != 0:
		return &GenesisError{Reason: "difficulty must be 0"}
	case g.Number != 0:
		return &GenesisError{Reason: "number must be 0"}
	case c.BogotaTime != nil:
		return &GenesisError{Reason: "forks after Amsterdam are not supported"}
	case c.AmsterdamTime != nil && *c.AmsterdamTime > g.Timestamp:
		return &GenesisError{Reason: "Amsterdam must be active from the start or not at all"}
	case c.DepositContractAddress != (common.Address{}):
		return &GenesisError{Reason: "depositContractAddress must be zero: blocks must not have requests"}
	}
	rules := c.Rules(new(big.Int), true, g.Timestamp)
	if !rules.IsPrague {
		return &GenesisError{Reason: "Prague must be active from the start"}
	}
	if err := c.CheckConfigForkOrder(); err != nil {
		return &GenesisError{Reason: err.Error()}
	}
	if err := checkEmpty(g.Alloc); err != nil {
		return err
	}
	return checkContracts(g.Alloc, rules.IsAmsterdam)
}

// checkContracts names all accounts that do not hold the code that they must.
func checkContracts(alloc types.GenesisAlloc, amsterdam bool) error {
	const stub = "the request stub 0x00 instead of EIP-"
	type contract struct {
		addr common.Address
		code []byte
		what string
	}
	contracts := []contract{
		{params.BeaconRootsAddress, params.BeaconRootsCode, "the code of EIP-4788"},
		{params.HistoryStorageAddress, params.HistoryStorageCode, "the code of EIP-2935"},
		{params.WithdrawalQueueAddress, requestStub, stub + "7002"},
		{params.ConsolidationQueueAddress, requestStub, stub + "7251"},
	}
	if amsterdam {
		contracts = append(contracts,
			contract{params.BuilderDepositAddress, requestStub, stub + "8282"},
			contract{params.BuilderExitAddress, requestStub, stub + "8282"})
	}
	var wrong []string
	for _, want := range contracts {
		if !bytes.Equal(alloc[want.addr].Code, want.code) {
			wrong = append(wrong, fmt.Sprintf("account %s must hold %s", want.addr, want.what))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &GenesisError{Reason: strings.Join(wrong, "; ")}
}

// checkEmpty names the first empty account, in order of address.
func checkEmpty(alloc types.GenesisAlloc) error {
	var empty []common.Address
	for addr, a := range alloc {
		if a.Nonce == 0 && len(a.Code) == 0 && (a.Balance == nil || a.Balance.Sign() == 0) {
			empty = append(empty, addr)
		}
	}
	if len(empty) == 0 {
		return nil
	}
	first := slices.MinFunc(empty, common.Address.Cmp)
	return &GenesisError{Reason: fmt.Sprintf("account %s is empty: it has no nonce, no code and no balance", first)}
}
