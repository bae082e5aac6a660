package predict

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// world is a state with contracts, and an EVM that notes down what it touches.
type world struct {
	t     testing.TB
	state *state.StateDB
	nonce uint64
	gas   uint64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, state: s, gas: 10_000_000}
}

func (w *world) config(from common.Address, value int64) *runtime.Config {
	return &runtime.Config{Origin: from, State: w.state, GasLimit: w.gas, Value: big.NewInt(value), Time: 1_700_000_000}
}

// install puts runtime code at an address.
func (w *world) install(name string, code []byte) *Target {
	to := addr(name)
	w.state.SetCode(to, code, tracing.CodeChangeUnspecified)
	return w.target(to)
}

// deploy runs creation code.
func (w *world) deploy(creation []byte, args ...common.Hash) *Target {
	w.t.Helper()
	for _, a := range args {
		creation = append(slices.Clone(creation), a[:]...)
	}
	w.state.SetNonce(deployer, w.state.GetNonce(deployer)+1, tracing.NonceChangeUnspecified)
	_, at, _, err := runtime.Create(creation, w.config(deployer, 0))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.target(at)
}

func (w *world) target(at common.Address) *Target {
	code := w.state.GetCode(at)
	return &Target{Address: at, CodeHash: crypto.Keccak256Hash(code), Code: code}
}

// transaction is what call returns.
type transaction struct {
	*motet.Tx

	to      *Target
	touched []Access
}

// call runs a transaction that must succeed.
func (w *world) call(from common.Address, to *Target, data []byte) transaction {
	w.t.Helper()
	tx, err := w.try(from, to, 0, data)
	if err != nil {
		w.t.Fatalf("call %x: %v", data[:min(4, len(data))], err)
	}
	return tx
}

// try runs a transaction.
func (w *world) try(from common.Address, to *Target, value int64, data []byte) (transaction, error) {
	w.nonce++
	w.state.SetBalance(from, uint256.NewInt(1<<60), tracing.BalanceChangeUnspecified)
	out := transaction{to: to, Tx: newTx(from, to, w.nonce, value, data)}
	config := w.config(from, value)
	config.EVMConfig.Tracer = &tracing.Hooks{OnOpcode: func(_ uint64, op byte, _, _ uint64, scope tracing.OpContext, _ []byte, _ int, _ error) {
		stack := scope.StackData()
		if op := vm.OpCode(op); len(stack) > 0 && (op == vm.SLOAD || op == vm.SSTORE) {
			slot := common.Hash(stack[len(stack)-1].Bytes32())
			out.touched = append(out.touched, Access{scope.Address(), slot, op == vm.SSTORE})
		}
	}}
	_, _, err := runtime.Call(to.Address, data, config)
	w.state.Finalise(config.ChainConfig.Rules(config.BlockNumber, true, config.Time))
	return out, err
}

func newTx(from common.Address, to *Target, nonce uint64, value int64, data []byte) *motet.Tx {
	return motet.NewTx(types.NewTx(&types.LegacyTx{Nonce: nonce, To: &to.Address, Gas: 10_000_000, GasPrice: new(big.Int), Value: big.NewInt(value), Data: data}), from)
}

func addr(name string) common.Address { return common.BytesToAddress(crypto.Keccak256([]byte(name))) }

var deployer = addr("deployer")

func word(n uint64) common.Hash { return uint256.NewInt(n).Bytes32() }

func addressWord(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// data encodes a call with words as arguments.
func data(signature string, words ...common.Hash) []byte {
	out := slices.Clone(crypto.Keccak256([]byte(signature))[:4])
	for _, w := range words {
		out = append(out, w[:]...)
	}
	return out
}

// packed encodes a call with arguments of all types.
func packed(t testing.TB, signature string, args ...any) []byte {
	t.Helper()
	open := strings.IndexByte(signature, '(')
	var types abi.Arguments
	for name := range strings.SplitSeq(strings.Trim(signature[open:], "()"), ",") {
		kind, err := abi.NewType(name, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, abi.Argument{Type: kind})
	}
	out, err := types.Pack(args...)
	if err != nil {
		t.Fatal(err)
	}
	return append(data(signature), out...)
}

func mapping(key, slot common.Hash) common.Hash { return crypto.Keccak256Hash(key[:], slot[:]) }

// benchCode is the runtime code of a contract of the benchmarks.
func benchCode(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "execbench", "contracts", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, string(text))
}

// artifact is the creation code of a contract from the npm packages.
func artifact(t testing.TB, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "node_modules", filepath.FromSlash(file)))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skipf("SKIPPED: no %s: run npm ci", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	var compiled struct {
		Bytecode string `json:"bytecode"`
	}
	if err := json.Unmarshal(raw, &compiled); err != nil {
		t.Fatal(err)
	}
	return unhex(t, compiled.Bytecode)
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	code, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// slots returns accesses in order, each slot once.
func slots(touched []Access) []Access {
	var out []Access
	for _, a := range touched {
		out = addAccess(out, 0, a)
	}
	slices.SortFunc(out, func(a, b Access) int {
		if c := a.Address.Cmp(b.Address); c != 0 {
			return c
		}
		return a.Slot.Cmp(b.Slot)
	})
	return out
}

// checkExact expects the prediction for tx to be what it touched.
func checkExact(t testing.TB, p *Predictor, tx transaction) {
	t.Helper()
	got, ok := p.Slots(nil, tx.Tx, tx.to)
	if want := slots(tx.touched); !ok || !slices.Equal(slots(got), want) {
		t.Errorf("%x: predicted %v %v\ntouched %v", tx.Data()[:min(4, len(tx.Data()))], ok, slots(got), want)
	}
	if keys, ok := p.Keys(nil, tx.Tx, tx.to); !ok || len(keys) != len(got) {
		t.Errorf("%d keys for %d slots", len(keys), len(got))
	}
}
