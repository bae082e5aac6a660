package oracletest

import (
	"fmt"
	"testing"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
)

// engines are the executors under test. A warm one keeps what earlier blocks
// read and wrote, and goes back when it runs the same block again.
func engines() []engine {
	list := append(named(executor.NewSerial(executor.Config{}), executor.Config{}, "serial"), parallel(
		executor.Config{Workers: 1},
		executor.Config{Workers: 2, Warm: true},
		executor.Config{Workers: 4},
		executor.Config{Workers: 8, Schedule: executor.Throughout},
		executor.Config{Workers: 64, Schedule: executor.Always},
		executor.Config{Workers: 3, Schedule: executor.Throughout, Warm: true},
		executor.Config{Workers: 1, Schedule: executor.Always},
		executor.Config{Workers: 4, Schedule: executor.Always},
		executor.Config{Workers: 1, Schedule: executor.Backwards},
		executor.Config{Workers: 4, Schedule: executor.Backwards, Warm: true},
	)...)
	return append(list, predicting(
		executor.Config{Workers: 2},
		executor.Config{Workers: 2, Schedule: executor.Throughout},
		executor.Config{Workers: 4, Schedule: executor.Always, Warm: true},
		executor.Config{Workers: 2, Schedule: executor.Backwards},
	)...)
}

// everyEngine is engines with all numbers of workers on every schedule, cold and
// warm.
func everyEngine() []engine {
	list := append(named(executor.NewSerial(executor.Config{}), executor.Config{}, "serial"),
		named(executor.NewSerial(executor.Config{Warm: true}), executor.Config{Warm: true}, "serial")...)
	for _, schedule := range []executor.Schedule{executor.WherePays, executor.Throughout, executor.Always, executor.Backwards} {
		for _, workers := range []int{1, 2, 4, 8} {
			warm := workers == 2 || workers == 8
			list = append(list, parallel(executor.Config{Workers: workers, Schedule: schedule, Warm: warm})...)
			list = append(list, predicting(executor.Config{Workers: workers, Schedule: schedule, Warm: !warm})...)
		}
	}
	return list
}

func parallel(configs ...executor.Config) []engine {
	var list []engine
	for _, c := range configs {
		list = append(list, named(executor.NewParallel(c), c, "parallel")...)
	}
	return list
}

// predicting is parallel with hints from all that is predicted.
func predicting(configs ...executor.Config) []engine {
	var list []engine
	for _, c := range configs {
		c.Predict = predict.New(predict.AllSources)
		e := executor.NewParallel(c)
		c.Predict = nil // its address says nothing
		list = append(list, named(e, c, "predicting")...)
	}
	return list
}

func named(e executor.Executor, c executor.Config, kind string) []engine {
	return []engine{{fmt.Sprintf("%s %+v", kind, c), e}}
}

// TestBlocks runs seeded worlds of every fork through every executor.
func TestBlocks(t *testing.T) {
	for i, f := range forks() {
		worlds := uint64(10)
		switch {
		case i == 0:
			worlds = 80 // the product's own rules
		case f.name == "amsterdam":
			worlds = 40 // those to come
		}
		t.Run(f.name, func(t *testing.T) {
			under := engines()
			for seed := range worlds {
				checkWorld(t, f, seeded(seed, 600+int(seed%5)*500), under, nil)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// FuzzBlocks grows worlds from any bytes; the first one chooses the fork.
func FuzzBlocks(f *testing.F) {
	under, rules := everyEngine(), forks()
	// A corpus of its own is in testdata; these reach every fork.
	for i := range rules {
		f.Add(append([]byte{byte(i)}, seeded(uint64(i), 400)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || len(data) > 4000 {
			t.Skip()
		}
		checkWorld(t, rules[int(data[0])%len(rules)], data[1:], under, nil)
	})
}
