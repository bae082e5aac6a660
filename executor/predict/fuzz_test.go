package predict

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// FuzzAnalyse: whatever the code, the analysis ends, and if it is certain, then a
// call that succeeds touches nothing but what was predicted.
func FuzzAnalyse(f *testing.F) {
	f.Add([]byte{0x5f, 0x54, 0x60, 0x01, 0x90, 0x55}, []byte{})
	f.Add([]byte{0x33, 0x5f, 0x52, 0x60, 0x07, 0x60, 0x20, 0x52, 0x60, 0x40, 0x5f, 0x20, 0x80, 0x54, 0x60, 0x01, 0x01, 0x90, 0x55}, []byte{1, 2, 3, 4})
	token := benchCode(f, "Token")
	f.Add(token, data("transfer(address,uint256)", addressWord(bob), word(0)))
	f.Add(token, data("approve(address,uint256)", addressWord(bob), word(9)))
	f.Add(token, data("transferFrom(address,address,uint256)", addressWord(alice), addressWord(carol), word(0)))
	f.Add(benchCode(f, "Bomb"), data("run(uint256)", word(3)))
	f.Fuzz(func(t *testing.T, code, input []byte) { checkCovered(t, code, input) })
}

// checkCovered expects that nothing is touched but what was predicted, if
// anything was and the call succeeds. It reports whether that was so.
func checkCovered(t *testing.T, code, input []byte) bool {
	p, w := New(Static), newWorld(t)
	w.gas = 200_000
	to := w.install("contract", code)
	tx, err := w.try(alice, to, 1, input)
	got, ok := p.Slots(nil, tx.Tx, to)
	keys, also := p.Keys(nil, tx.Tx, to)
	if ok != also || len(keys) != len(got) {
		t.Fatalf("%x: %d keys (%v) for %d slots (%v)", code, len(keys), also, len(got), ok)
	}
	if err != nil || !ok {
		return false
	}
	predicted := distinct(got)
	for _, a := range tx.touched {
		if at := find(predicted, &a); at == nil || a.Write && !at.Write {
			t.Errorf("%x: touched %v, predicted %v", code, a, got)
		}
	}
	return len(tx.touched) > 0
}

// TestStaticAgainstEVM does the same with programs that are made up of what
// compilers write.
func TestStaticAgainstEVM(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	covered := 0
	const programs = 1500
	for range programs {
		input := data("f()", addressWord(bob), word(rng.Uint64N(4)), addressWord(carol), most)
		if checkCovered(t, program(rng), input[:len(input)-rng.IntN(40)]) {
			covered++
		}
	}
	t.Logf("%d of %d programs were predicted", covered, programs)
	if covered < programs/5 {
		t.Errorf("only %d of %d programs were predicted", covered, programs)
	}
}

// program makes up code of balanced steps.
func program(rng *rand.Rand) (code []byte) {
	emit := func(b ...byte) { code = append(code, b...) }
	var steps func(n int)
	value := func() {
		switch rng.IntN(9) {
		case 0, 1:
			emit(0x60, byte(rng.IntN(4))) // PUSH1
		case 2:
			emit(0x33) // CALLER
		case 3:
			emit(0x30) // ADDRESS
		case 4, 5:
			emit(0x60, byte(4+32*rng.IntN(4)), 0x35) // CALLDATALOAD
		case 6:
			emit(0x60, byte(4+32*rng.IntN(4)), 0x35, 0x60, 1, 0x60, 160, 0x1b, 0x60, 1, 0x90, 0x03, 0x16) // masked
		case 7:
			emit(0x34) // CALLVALUE
		case 8:
			emit(0x60, byte(32*rng.IntN(4)), 0x51) // MLOAD
		}
	}
	slot := func() {
		if rng.IntN(4) == 0 {
			value()
			return
		}
		place := byte(32 * rng.IntN(2))
		for i := range byte(2) {
			if rng.IntN(5) > 0 {
				value()
				emit(0x60, place+32*i, 0x52) // MSTORE
			}
		}
		if rng.IntN(3) == 0 {
			emit(0x60, 64, 0x60, place, 0x20, 0x60, place+32, 0x52) // the hash becomes the next base
			value()
			emit(0x60, place, 0x52)
		}
		emit(0x60, 64, 0x60, place, 0x20) // KECCAK256
		if rng.IntN(3) == 0 {
			emit(0x60, byte(rng.IntN(3)), 0x01) // ADD
		}
	}
	steps = func(n int) {
		for range n {
			switch rng.IntN(8) {
			case 0, 1, 2:
				slot()
				emit(0x54, 0x50) // SLOAD POP
			case 3, 4:
				value()
				slot()
				emit(0x55) // SSTORE
			case 5:
				value()
				emit(0x60, byte(rng.IntN(100)), []byte{0x52, 0x53}[rng.IntN(2)]) // MSTORE, MSTORE8
			case 6:
				emit(0x60, byte(32*rng.IntN(3)), 0x60, byte(rng.IntN(2)*4), 0x60, byte(rng.IntN(70)), []byte{0x37, 0x39, 0x5e}[rng.IntN(3)]) // copies
			case 7:
				value()
				at := len(code)
				emit(0x61, 0, 0, 0x57) // PUSH2 JUMPI
				steps(rng.IntN(3))
				if rng.IntN(3) == 0 {
					emit(0x5f, 0x5f, 0xfd) // REVERT
				}
				binary.BigEndian.PutUint16(code[at+1:], uint16(len(code)))
				emit(0x5b) // JUMPDEST
			}
		}
	}
	steps(2 + rng.IntN(6))
	return code
}

// FuzzLearn: whatever calls and touched slots are made up, learning and predicting
// neither fail nor grow without bound.
func FuzzLearn(f *testing.F) {
	f.Add([]byte("some calls of some functions, which touch some slots or others"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, script []byte) {
		p := New(AllSources)
		seed := [32]byte(crypto.Keccak256(script))
		rng := rand.New(rand.NewChaCha8(seed))
		for len(script) > 3 && len(script) < 500 {
			n := min(len(script), 4+int(script[0]%12))
			step := script[:n]
			script = script[n:]
			learnStep(t, p, rng, step)
		}
	})
}

func learnStep(t *testing.T, p *Predictor, rng *rand.Rand, step []byte) {
	to := &Target{Address: account(int(step[0] % 3)), CodeHash: word(uint64(step[1] % 4)), Code: []byte{0xfe}}
	input := []byte{step[2] % 2, 0, 0, 0}
	for _, b := range step[3:] {
		w := word(uint64(b % 4))
		if b > 200 {
			w = addressWord(account(int(b % 5)))
		}
		input = append(input, w[:]...)
	}
	tx := newTx(account(int(step[1]%5)), to, rng.Uint64(), int64(step[3]%2), input[:max(0, len(input)-int(step[2]%7))])
	var touched []Access
	for i, b := range step {
		a := Access{Address: account(int(b % 4)), Slot: word(uint64(b % 16)), Write: b%3 > 0}
		switch b % 5 {
		case 0:
			a.Slot = mapping(addressWord(tx.From), word(uint64(b%8)))
		case 1:
			binary.BigEndian.PutUint64(a.Slot[:8], uint64(b)*uint64(i))
		case 2:
			a.Slot = mapping(crypto.Keccak256Hash(step), a.Slot)
		}
		touched = append(touched, a)
	}
	for range 1 + int(step[0]%4) {
		p.Observe(newTx(tx.From, to, rng.Uint64(), 0, tx.Data()), to, touched)
	}
	keys, ok := p.Keys(nil, tx, to)
	got, also := p.Slots(nil, tx, to)
	if ok != also || len(keys) > maxLocations+maxGroups || len(got) > maxLocations {
		t.Fatalf("%d keys (%v), %d slots (%v)", len(keys), ok, len(got), also)
	}
}
