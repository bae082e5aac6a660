package executor

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/oracle"
)

// TestBlooms: the blooms are geth's, whoever makes which part of them.
func TestBlooms(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	item := func() (h common.Hash) {
		for i := range h {
			h[i] = byte(rng.Uint32() >> (8 * rng.IntN(3)))
		}
		if rng.IntN(2) == 0 { // seen before, perhaps as the end of the other kind
			h = common.Hash{31: byte(rng.IntN(3))}
		}
		return h
	}
	for round := range 300 {
		var receipts types.Receipts
		for range rng.IntN(6) {
			r := new(types.Receipt)
			for range rng.IntN(2) * rng.IntN(400) {
				log := &types.Log{Address: common.Address(item().Bytes()[12:])}
				for range rng.IntN(5) {
					log.Topics = append(log.Topics, item())
				}
				r.Logs = append(r.Logs, log)
			}
			if rng.IntN(5) == 0 {
				r.Bloom = types.CreateBloom(r) // somebody needed it
			}
			receipts = append(receipts, r)
		}
		SetBlooms(receipts, 1+rng.IntN(8))
		for i, r := range receipts {
			if r.Bloom != types.CreateBloom(r) {
				t.Fatalf("round %d: the bloom of receipt %d with %d logs is another", round, i, len(r.Logs))
			}
		}
	}
}

// TestLingering: workers that have nothing else to do set the blooms, and who gives the
// block up waits for them.
func TestLingering(t *testing.T) {
	env, loud := loudEnv()
	open, err := NewParallel(Config{Workers: 3, Schedule: Throughout}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	slice, err := open.Verify(t.Context(), calls(20, always(loud)))
	if err != nil {
		t.Fatal(err)
	}
	p := open.(*parallelBlock)
	for _, j := range p.bloomings {
		j.workers.Wait()
	}
	for i, r := range slice.Receipts {
		if r.Bloom != types.CreateBloom(r) {
			t.Errorf("nobody has set the bloom of receipt %d", i)
		}
	}
	busy := new(blooming)
	busy.workers.Add(1)
	p.bloomings = append(p.bloomings, busy)
	given := make(chan struct{})
	go func() { p.fail(); close(given) }()
	select {
	case <-given:
		t.Error("the block's memory is another's while a worker is busy")
	case <-time.After(20 * time.Millisecond):
	}
	busy.workers.Done()
	<-given
}

// loudEnv returns a contract that logs while more than 10,000 gas is left, and an
// environment with it.
func loudEnv() (Env, common.Address) {
	loud := common.Address{0xdd}
	code := common.FromHex("5b" + "5a33185f5fa1" + "5a61271010" + "5f57" + "00")
	env := traceEnv()
	m, hash := env.State.(*oracle.Memory), crypto.Keccak256Hash(code)
	m.Accounts[loud] = &oracle.MemoryAccount{Nonce: 1, CodeHash: hash}
	m.Codes[hash] = code
	return env, loud
}

// TestBloomsOfSlices: workers that still set the blooms of one slice are in nobody's way
// while the next ones run and end.
func TestBloomsOfSlices(t *testing.T) {
	env, loud := loudEnv()
	e := NewParallel(Config{Workers: 4, Schedule: Throughout})
	for range 5 {
		open, err := e.Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		for first := 0; first < 300; first += 20 {
			txs := make([]*motet.Tx, 20)
			for i := range txs {
				txs[i] = traceTx(first+i, 0, loud, nil)
			}
			if _, err := open.Verify(t.Context(), txs); err != nil {
				t.Fatal(err)
			}
		}
		outcome, err := open.Finish(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range outcome.Receipts {
			if len(r.Logs) < 50 || r.Bloom != types.CreateBloom(r) {
				t.Fatalf("the bloom of receipt %d with %d logs is another", i, len(r.Logs))
			}
		}
	}
}

func BenchmarkBlooms(b *testing.B) {
	var receipts types.Receipts
	for i := range byte(200) {
		transfer := &types.Log{Address: common.Address{i % 8}, Topics: []common.Hash{{1}, {2, i}, {3, i}}}
		receipts = append(receipts, &types.Receipt{Logs: []*types.Log{transfer, transfer, {Address: common.Address{9}, Topics: []common.Hash{{4, i % 3}}}}})
	}
	b.Run("geth", func(b *testing.B) {
		for b.Loop() {
			for _, r := range receipts {
				r.Bloom = types.CreateBloom(r)
			}
		}
	})
	for _, hands := range []int{1, 2} {
		b.Run(map[int]string{1: "one hand", 2: "two hands"}[hands], func(b *testing.B) {
			for b.Loop() {
				for _, r := range receipts {
					r.Bloom = types.Bloom{}
				}
				SetBlooms(receipts, hands)
			}
		})
	}
}
