package timing

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestCalmest: rounds are repeated until enough were left in peace, and not forever.
func TestCalmest(t *testing.T) {
	noisy := 2 * quietCores()
	for name, c := range map[string]struct {
		rounds, want []float64 // times noisy
		ran          int
	}{
		"quiet":     {[]float64{0, 0, 1}, []float64{0, 0}, 2},
		"disturbed": {[]float64{1, 0, 1, 0, 0}, []float64{0, 0}, 4},
		"never":     {[]float64{6, 5, 4, 3, 2, 7, 0}, []float64{2, 3}, 6},
	} {
		ran := 0
		got, err := Calmest(2, func() (float64, error) { ran++; return c.rounds[ran-1], nil }, func(r float64) float64 { return r * noisy })
		if err != nil || ran != c.ran || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v after %d rounds, %v; want %v after %d", name, got, ran, err, c.want, c.ran)
		}
	}
	broken := errors.New("broken")
	if _, err := Calmest(1, func() (int, error) { return 0, broken }, func(int) float64 { return 0 }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestDisturbs: a tenth of the machine is the limit, and what repeats a round lies below.
func TestDisturbs(t *testing.T) {
	tenth := float64(runtime.NumCPU()) / 10
	for cores, want := range map[float64]bool{0: false, quietCores(): false, 0.99 * tenth: false, 1.01 * tenth: true} {
		if Disturbs(cores) != want {
			t.Errorf("%v cores of %d: want %t", cores, runtime.NumCPU(), want)
		}
	}
}

// TestMeasure: processor time is that of all cores.
func TestMeasure(t *testing.T) {
	broken := errors.New("broken")
	before := processorTime()
	wall, cpu, err := Measure(func() error {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				for processorTime()-before < 100*time.Millisecond {
				}
			})
		}
		both.Wait()
		return broken
	})
	if !errors.Is(err, broken) || wall <= 0 || cpu <= 0.05 || cpu > 2*wall+0.05 {
		t.Errorf("%v s, %v s of processor time, %v", wall, cpu, err)
	}
}

// TestOthers: what a process beside this one burns is seen.
func TestOthers(t *testing.T) {
	if machineTime() == 0 {
		t.Skip("the system does not tell what the machine does")
	}
	others := WatchOthers()
	beside := exec.Command("sh", "-c", "while :; do :; done")
	if err := beside.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if err := beside.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	seen := others()
	if err := beside.Wait(); err == nil {
		t.Error("the process ended by itself")
	}
	burnt := beside.ProcessState.UserTime() + beside.ProcessState.SystemTime()
	if burnt < 5*tick || seen.Used < burnt-3*tick || seen.Cores() <= 0 {
		t.Errorf("%v burnt, seen %+v", burnt, seen)
	}
}

// TestOthersCores: ticks make up no cores, and spans add up.
func TestOthersCores(t *testing.T) {
	a, b := Others{Used: 3 * tick, Span: 4 * tick}, Others{Used: -tick, Span: 4 * tick}
	for name, c := range map[string]struct{ got, want float64 }{
		"one":        {a.Cores(), 0.75},
		"at least":   {a.AtLeast(), 0.25},
		"below zero": {b.Cores(), 0},
		"both":       {a.Plus(b).Cores(), 0.25},
		"a tick":     {Others{Used: tick, Span: tick}.AtLeast(), 0},
		"nothing":    {Others{}.Cores(), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v cores, want %v", name, c.got, c.want)
		}
	}
}
