package oracletest

import (
	"fmt"
	"testing"

	"github.com/motet-evm/motet/executor"
)

// engines are the executors under test.
func engines() []engine {
	list := []engine{{"serial", executor.NewSerial(executor.Config{})}}
	for _, c := range []executor.Config{
		{Workers: 1},
		{Workers: 2},
		{Workers: 4},
		{Workers: 8},
		{Workers: 1, Schedule: executor.Always},
		{Workers: 4, Schedule: executor.Always},
		{Workers: 1, Schedule: executor.Backwards},
		{Workers: 4, Schedule: executor.Backwards},
	} {
		list = append(list, engine{fmt.Sprintf("parallel(%d, schedule %d)", c.Workers, c.Schedule), executor.NewParallel(c)})
	}
	return list
}

// TestBlocks runs seeded worlds of every fork through every executor.
func TestBlocks(t *testing.T) {
	for i, f := range forks() {
		worlds := uint64(10)
		if i == 0 {
			worlds = 80 // the product's own rules
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
	under, rules := engines(), forks()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || len(data) > 4000 {
			t.Skip()
		}
		checkWorld(t, rules[int(data[0])%len(rules)], data[1:], under, nil)
	})
}
