package execbench

import (
	"slices"
	"testing"
)

// TestRun measures every workload on a small block: the engines agree, and what
// is reported makes sense.
func TestRun(t *testing.T) {
	c := Config{Gas: 3_000_000, Workers: []int{1, 3}, Rounds: 1}
	var got []Result
	if err := Run(t.Context(), c, func(r Result) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range got {
		if !slices.Contains(names, r.Workload) {
			names = append(names, r.Workload)
		}
		if r.Skipped != "" {
			continue
		}
		if r.Transactions == 0 || r.Gas < c.Gas/2 || r.Gas > c.Gas*3/2 {
			t.Errorf("%s: %d transactions use %d gas, want about %d", r.Workload, r.Transactions, r.Gas, c.Gas)
		}
		if r.GethS <= 0 || r.SerialS <= 0 || r.ParallelS <= 0 || r.VsGeth <= 0 || r.VsSerial <= 0 || r.FractionOfIdeal <= 0 {
			t.Errorf("%+v holds a figure that is not positive", r)
		}
		if r.Executions < r.Transactions {
			t.Errorf("%s: %d executions of %d transactions", r.Workload, r.Executions, r.Transactions)
		}
	}
	if !slices.Equal(names, Workloads()) {
		t.Errorf("reported %v, want %v", names, Workloads())
	}
}

func TestValidate(t *testing.T) {
	good := Config{Gas: 3_000_000, Workers: []int{1}, Rounds: 1}
	for name, spoil := range map[string]func(*Config){
		"workload": func(c *Config) { c.Workloads = []string{"transfers", "nonsense"} },
		"gas":      func(c *Config) { c.Gas = 20_000 },
		"workers":  func(c *Config) { c.Workers = []int{2, 0} },
		"none":     func(c *Config) { c.Workers = nil },
		"rounds":   func(c *Config) { c.Rounds = 0 },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", name, c)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

// TestMixedChain pins the dependencies that fraction_of_ideal is reckoned from.
func TestMixedChain(t *testing.T) {
	if n := mixedChain(1000); n < 2 || n > 500 {
		t.Errorf("the longest of 1000 transfers is %d", n)
	}
	for _, w := range workloads() {
		if w.missing == "" && (w.chain(100) < 1 || w.chain(100) > 100) {
			t.Errorf("%s: a chain of %d in 100", w.name, w.chain(100))
		}
	}
}
