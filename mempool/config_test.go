package mempool

import (
	"flag"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestFlags(t *testing.T) {
	c := DefaultConfig()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	c.RegisterFlags(fs, "mempool.")
	err := fs.Parse([]string{"-mempool.policy=fcfs", "-mempool.account-slots=7", "-mempool.gap-life=5s", "-mempool.min-tip=9"})
	if err != nil || c.Policy != PolicyFCFS || c.AccountSlots != 7 || c.GapLife.Seconds() != 5 || c.MinTip != 9 {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestValidateNamesEveryField(t *testing.T) {
	c := Config{Policy: "best"}
	err := c.Validate()
	for _, want := range []string{"policy", "account slots", "account queue", "global slots", "global bytes", "global queue", "fate memory", "gap life", "intake span", "price bump"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in %v", want, err)
		}
	}
}

func TestMetricsRegister(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := New(DefaultConfig(), Deps{ChainConfig: testConfig(), Intake: &testIntake{}, Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) < 6 {
		t.Fatalf("%d families, %v", len(families), err)
	}
}
