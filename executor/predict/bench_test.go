package predict

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process has computed so far: a bench on a busy machine
// tells little by the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs f in a loop and reports what the processor worked for it.
func measure(b *testing.B, f func()) {
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
}

func BenchmarkAnalyse(b *testing.B) {
	w := newWorld(b)
	token := w.deploy(artifact(b, "@openzeppelin/contracts/build/contracts/ERC20PresetMinterPauser.json"), word(64), word(128), word(1), word('A'), word(1), word('B'))
	for _, signature := range []string{"transfer(address,uint256)", "transferFrom(address,address,uint256)", "mint(address,uint256)", "name()", "nothing()"} {
		b.Run(signature, func(b *testing.B) {
			steps := 0
			call := data(signature)
			measure(b, func() { _, steps, _ = analyse(token.Code, call, maxSteps) })
			b.ReportMetric(float64(steps), "steps/op")
		})
	}
}

func BenchmarkPredict(b *testing.B) {
	x, p := newExchange(b, 20), New(AllSources)
	token := benchToken(b, x.world)
	var swaps []transaction
	for i := range 200 {
		swaps = append(swaps, x.swap(i, i%20, i%40 < 20))
	}
	p.see(swaps...)
	pay := chain(x.world, token, 7)
	keys, got := make([]Key, 0, 8), make([]Access, 0, 8)
	for name, tx := range map[string]transaction{"transfer": pay, "swap": swaps[0]} {
		b.Run("keys/"+name, func(b *testing.B) { measure(b, func() { keys, _ = p.Keys(keys[:0], tx.Tx, tx.to) }) })
		b.Run("slots/"+name, func(b *testing.B) { measure(b, func() { got, _ = p.Slots(got[:0], tx.Tx, tx.to) }) })
	}
	for name, txs := range map[string][]transaction{"transfer": {pay}, "swap": swaps} {
		n := 0
		b.Run("observe/"+name, func(b *testing.B) {
			measure(b, func() { p.see(txs[n%len(txs)]); n++ })
		})
	}
}
