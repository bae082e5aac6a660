package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet/internal/wallet"
)

// ready is the content of the ready file: everything a script needs to use the
// node. A part that is off is null.
type ready struct {
	Version     string            `json:"version"`
	PID         int               `json:"pid"`
	ChainID     uint64            `json:"chain_id"`
	HTTP        string            `json:"http"`
	WS          string            `json:"ws"`
	REST        string            `json:"rest"`
	UI          string            `json:"ui"`
	Metrics     string            `json:"metrics"`
	NATS        *string           `json:"nats"`
	Postgres    *string           `json:"postgres"`
	L1HTTP      *string           `json:"l1_http"`
	L1Beacon    *string           `json:"l1_beacon"`
	L1Contracts *l1Contracts      `json:"l1_contracts"`
	GenesisFile string            `json:"genesis_file"`
	RollupFile  *string           `json:"rollup_file"`
	Datadir     string            `json:"datadir"`
	Accounts    []readyAccount    `json:"accounts"`
	notes       map[string]string // for the banner: why a part is as it is
}

type l1Contracts struct {
	Inbox   common.Address `json:"inbox"`
	Bridge  common.Address `json:"bridge"`
	Outputs common.Address `json:"outputs"`
}

type readyAccount struct {
	Address common.Address `json:"address"`
	Key     string         `json:"key"`
}

func readyAccounts(accounts []wallet.Account) []readyAccount {
	out := make([]readyAccount, len(accounts))
	for i, a := range accounts {
		out[i] = readyAccount{a.Address, hexutil.Encode(crypto.FromECDSA(a.Key))}
	}
	return out
}

// writeReady writes the ready file so that a reader sees all of it or nothing.
func writeReady(path string, r *ready) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encode the ready file: %w", err)
	}
	return writeFileAtomic(path, append(raw, '\n'), 0o600)
}

// writeFileAtomic replaces path by a file with the given content.
func writeFileAtomic(path string, content []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// printBanner shows a person what runs where.
func printBanner(w io.Writer, r *ready, cfg *devConfig) {
	fmt.Fprintf(w, "\n  Motet %s — chain %d, %s executor, %d workers\n\n", r.Version, r.ChainID, cfg.executor, cfg.workers)
	if len(r.Accounts) > 0 {
		fmt.Fprintf(w, "  Accounts, %d ETH each. These keys are public: never send real value to them.\n", cfg.balance)
		for i, a := range r.Accounts {
			if i == 10 {
				fmt.Fprintf(w, "    … and %d more\n", len(r.Accounts)-i)
				break
			}
			fmt.Fprintf(w, "    (%d) %s  %s\n", i, a.Address.Hex(), a.Key)
		}
		fmt.Fprintf(w, "    Mnemonic: %s\n    Path:     m/44'/60'/0'/0/i\n\n", cfg.mnemonic)
	}
	line := func(name string, value *string) {
		text := "off"
		if value != nil {
			text = *value
		}
		if note := r.notes[name]; note != "" {
			text += "  (" + note + ")"
		}
		fmt.Fprintf(w, "  %-10s %s\n", name, text)
	}
	line("RPC", &r.HTTP)
	line("WebSocket", &r.WS)
	line("REST", &r.REST)
	line("Dashboard", &r.UI)
	line("Metrics", &r.Metrics)
	line("NATS", r.NATS)
	line("Postgres", r.Postgres)
	line("L1", r.L1HTTP)
	line("L1 beacon", r.L1Beacon)
	if r.L1Contracts != nil {
		inbox := r.L1Contracts.Inbox.Hex()
		line("Inbox", &inbox)
	}
	line("Data", &r.Datadir)
	if cfg.httpAddr != "127.0.0.1" && cfg.httpAddr != "localhost" && len(r.Accounts) > 0 {
		fmt.Fprintf(w, "\n  WARNING: listening on %s with accounts whose keys are public.\n", cfg.httpAddr)
	}
	if len(r.Accounts) > 1 {
		fmt.Fprintf(w, "\n  Next: cast send --rpc-url %s --private-key %s --value 1ether %s\n        curl -N %s/events\n\n",
			r.HTTP, r.Accounts[0].Key, r.Accounts[1].Address.Hex(), strings.TrimSuffix(r.REST, "/"))
	}
}
