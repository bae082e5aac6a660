//go:build ignore

// Command generate writes the binding of one compiled contract:
//
//	go run generate.go ARTIFACT.json OUT.go
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/ethereum/go-ethereum/accounts/abi/abigen"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: generate ARTIFACT.json OUT.go")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var artifact struct {
		ContractName string
		ABI          json.RawMessage
		Bytecode     string
	}
	if err := json.Unmarshal(raw, &artifact); err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	code, err := abigen.BindV2([]string{artifact.ContractName}, []string{string(artifact.ABI)},
		[]string{artifact.Bytecode}, "bindings", nil, nil)
	if err != nil {
		return fmt.Errorf("bind %s: %w", artifact.ContractName, err)
	}
	return os.WriteFile(args[1], []byte(code), 0o644)
}
