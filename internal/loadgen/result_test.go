package loadgen

import (
	"errors"
	"testing"
	"time"
)

func TestLatencyIsNearestRank(t *testing.T) {
	var ds []time.Duration
	for i := 1000; i >= 1; i-- {
		ds = append(ds, time.Duration(i)*time.Millisecond)
	}
	if got, want := latencyOf(ds), (Latency{0.5, 0.9, 0.99, 0.999}); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if got := latencyOf(ds[:1]); got.P50 != got.P999 || got.P50 != 0.001 {
		t.Fatalf("of one: %+v", got)
	}
}

func TestFillCountsRefusalsApart(t *testing.T) {
	start := time.Unix(100, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	jobs := []job{
		{due: start, accepted: at(1), sealed: at(2)},
		{due: start, accepted: at(1), sealed: at(4)},
		{due: start, refusal: errors.New("nonce too low")},
	}
	var r Result
	r.fill(jobs, start, false)
	if r.Accepted != 2 || r.Refused != 1 || r.FirstRefusal != "nonce too low" || r.Included != 2 {
		t.Fatalf("%+v", r)
	}
	if r.AcceptedPerSec != 2 || r.IncludedPerSec != 0.5 || r.ToPreconfirmed != nil || r.ToSealed.P99 != 4 {
		t.Fatalf("%+v", r)
	}
}

func TestCountFindsWhatWaitsBehindARefusal(t *testing.T) {
	now := time.Unix(100, 0)
	yes, no := job{accepted: now}, job{refusal: errors.New("txpool is full")}
	// Two senders in turns: the second one's first transaction is refused.
	accepted, stranded := count([]job{yes, no, yes, yes, yes, yes}, 2)
	if accepted != 5 || stranded != 2 {
		t.Fatalf("%d accepted, %d stranded", accepted, stranded)
	}
}

func TestConfigValidate(t *testing.T) {
	good := Config{Target: "http://localhost", Kind: "transfers", Accounts: 1, Transactions: 1, Batch: 1, Connections: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"kind":   func(c *Config) { c.Kind = "nfts" },
		"count":  func(c *Config) { c.Transactions = 0 },
		"target": func(c *Config) { c.Target = "localhost:8545" },
		"rate":   func(c *Config) { c.Rate = -1 },
		"token":  func(c *Config) { c.Kind = "erc20" },
	} {
		c := good
		if spoil(&c); c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
