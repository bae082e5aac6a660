package bindings_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi/abigen"

	"github.com/motet-evm/motet/l1bridge/bindings"
)

const artifactPath = "../../contracts/artifacts/Inbox.json"

func TestBindingIsWhatTheArtifactGives(t *testing.T) {
	raw, err := os.ReadFile(artifactPath)
	if err != nil {
		t.Fatal(err)
	}
	var artifact struct {
		ContractName string
		ABI          json.RawMessage
		Bytecode     string
	}
	if err := json.Unmarshal(raw, &artifact); err != nil {
		t.Fatal(err)
	}
	want, err := abigen.BindV2([]string{artifact.ContractName}, []string{string(artifact.ABI)},
		[]string{artifact.Bytecode}, "bindings", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("inbox.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want || bindings.InboxMetaData.Bin != artifact.Bytecode {
		t.Error("inbox.go is stale: run go generate")
	}
}

func TestArtifactIsWhatTheSourceGives(t *testing.T) {
	contracts, err := filepath.Abs("../../contracts")
	if err != nil {
		t.Fatal(err)
	}
	_, solcErr := os.Stat(filepath.Join(contracts, "../node_modules/solc"))
	_, nodeErr := exec.LookPath("node")
	if solcErr != nil || nodeErr != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no compiler: run npm ci --ignore-scripts (%v, %v)", solcErr, nodeErr)
		}
		t.Skipf("SKIPPED, NOT TESTED: no compiler: run npm ci --ignore-scripts (%v, %v)", solcErr, nodeErr)
	}
	cmd := exec.Command("node", "build.js", "--check")
	cmd.Dir = contracts
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
