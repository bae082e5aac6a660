package predict

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

var (
	alice, bob, carol = addr("alice"), addr("bob"), addr("carol")
	most              = common.Hash(new(uint256.Int).SetAllOne().Bytes32())
)

// tokenCalls are calls of an ERC-20 in which alice owns enough.
func tokenCalls(w *world, token *Target) []transaction {
	return []transaction{
		w.call(alice, token, data("transfer(address,uint256)", addressWord(bob), word(5))),
		w.call(bob, token, data("transfer(address,uint256)", addressWord(carol), word(1))),
		w.call(alice, token, data("approve(address,uint256)", addressWord(bob), word(100))),
		w.call(bob, token, data("transferFrom(address,address,uint256)", addressWord(alice), addressWord(carol), word(7))),
		w.call(alice, token, data("transfer(address,uint256)", addressWord(alice), word(7))),
		w.call(carol, token, data("balanceOf(address)", addressWord(bob))),
		w.call(carol, token, data("allowance(address,address)", addressWord(alice), addressWord(bob))),
		w.call(carol, token, data("totalSupply()")),
	}
}

func benchToken(t testing.TB, w *world) *Target {
	token := w.install("token", benchCode(t, "Token"))
	w.call(deployer, token, data("mint(address,uint256)", addressWord(alice), word(1_000_000)))
	return token
}

func TestStaticToken(t *testing.T) {
	w, p := newWorld(t), New(Static)
	token := benchToken(t, w)
	for _, tx := range tokenCalls(w, token) {
		checkExact(t, p, tx)
	}
	checkExact(t, p, w.call(alice, token, data("mint(address,uint256)", addressWord(bob), word(1))))
}

func TestStaticOpenZeppelin(t *testing.T) {
	w, p := newWorld(t), New(Static)
	creation := artifact(t, "@openzeppelin/contracts/build/contracts/ERC20PresetMinterPauser.json")
	token := w.deploy(creation, word(64), word(128), word(1), word('A'), word(1), word('B'))
	w.call(deployer, token, data("mint(address,uint256)", addressWord(alice), word(1_000_000)))
	for _, tx := range tokenCalls(w, token) {
		checkExact(t, p, tx)
	}
	checkExact(t, p, w.call(deployer, token, data("mint(address,uint256)", addressWord(alice), word(1))))
	checkExact(t, p, w.call(deployer, token, data("pause()")))
}

func TestStaticUniswapTokens(t *testing.T) {
	w, p := newWorld(t), New(Static)
	token := w.deploy(artifact(t, "@uniswap/v2-core/build/ERC20.json"), word(1_000_000))
	w.call(deployer, token, data("transfer(address,uint256)", addressWord(alice), word(1000)))
	for _, tx := range tokenCalls(w, token) {
		checkExact(t, p, tx)
	}
	weth := w.deploy(artifact(t, "@uniswap/v2-periphery/build/WETH9.json"))
	for _, call := range [][]byte{data("deposit()"), data("transfer(address,uint256)", addressWord(bob), word(1))} {
		value := int64(3)
		if len(call) > 4 {
			value = 0
		}
		tx, err := w.try(alice, weth, value, call)
		if err != nil {
			t.Fatalf("call %x: %v", call, err)
		}
		checkExact(t, p, tx)
	}
	// A withdrawal calls whoever asked for it.
	checkUnknown(t, p, w.call(alice, weth, data("withdraw(uint256)", word(1))))
}

func checkUnknown(t testing.TB, p *Predictor, tx transaction) {
	t.Helper()
	if got, ok := p.Keys(nil, tx.Tx, tx.to); ok || got != nil {
		t.Errorf("%x: predicted %v, want nothing", tx.Data(), got)
	}
	if got, ok := p.Slots(nil, tx.Tx, tx.to); ok || got != nil {
		t.Errorf("%x: predicted %v, want nothing", tx.Data(), got)
	}
}
