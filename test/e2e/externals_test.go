package e2e

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/motet-evm/motet/internal/testkit/natstest"
	"github.com/motet-evm/motet/internal/testkit/nodetest"
)

func TestMain(m *testing.M) {
	natstest.ServeIfChild()
	os.Exit(m.Run())
}

// TestExternalNATS runs a node on a NATS server of its own: it checks that the
// server syncs, waits while it is away, and loses nothing by both being killed.
func TestExternalNATS(t *testing.T) {
	lax := natstest.StartLax(t, t.TempDir())
	checkAll(t, []badCommand{{
		args: "dev --postgres off --l1 off --http.port 0 --log-level warn --nats " + lax.URL() + " --nats.monitor " + lax.MonitorURL(),
		code: 1, says: "set sync_interval to always",
	}})

	server := natstest.Start(t, t.TempDir())
	dir := t.TempDir()
	start := func() *nodetest.Node {
		return nodetest.Start(t, "--datadir", dir, "--postgres", "off", "--nats", server.URL(), "--nats.monitor", server.MonitorURL())
	}
	n := start()
	s := newSender(t, n, 0)
	to := n.Accounts[1].Address
	s.send(&to, nil)

	server.Kill()
	ready(t, n, http.StatusServiceUnavailable)
	height, err := n.Eth.BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Resume()
	ready(t, n, http.StatusOK)
	s.send(&to, nil)
	if after, err := n.Eth.BlockNumber(t.Context()); err != nil || after <= height {
		t.Errorf("block %d after the outage, %d before: %v", after, height, err)
	}

	n.Kill()
	server.Kill()
	server.Resume()
	n = start()
	s.n = n
	nonce, err := n.Eth.PendingNonceAt(t.Context(), n.Accounts[0].Address)
	if err != nil || nonce != s.nonce {
		t.Errorf("%d transactions of %d are left: %v", nonce, s.nonce, err)
	}
	s.send(&to, nil)
	n.Stop(t)
}

// ready waits until /readyz answers with a status.
func ready(t *testing.T, n *nodetest.Node, want int) {
	t.Helper()
	var got int
	for range 300 {
		resp, err := http.Get(n.HTTP + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got = resp.StatusCode; got == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("/readyz answers %d, want %d", got, want)
}
