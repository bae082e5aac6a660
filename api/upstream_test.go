package api

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
)

// moving is a service whose state moves under its reads.
type moving struct{ fails, calls int }

func (m *moving) Read(n int) (int, error) {
	m.calls++
	if m.calls <= m.fails {
		return 0, errors.New("getStateObject: layer stale")
	}
	if n < 0 {
		return 0, errors.New("negative")
	}
	return n, nil
}

// TestStaleReads tries a read again whose state was moved, and nothing else.
func TestStaleReads(t *testing.T) {
	for _, test := range []struct {
		fails, arg, calls int
		ok                bool
	}{
		{0, 7, 1, true},
		{1, 7, 2, true},
		{maxRetries, 7, maxRetries + 1, true},
		{maxRetries + 1, 7, maxRetries + 1, false},
		{0, -1, 1, false},
	} {
		t.Run(fmt.Sprintf("%d failures", test.fails), func(t *testing.T) {
			m := &moving{fails: test.fails}
			u := newUpstream([]rpc.API{{Namespace: "eth", Service: m}})
			got, err := u.call(t.Context(), "eth_read", test.arg)
			if (err == nil) != test.ok || test.ok && got != test.arg || m.calls != test.calls {
				t.Errorf("%v, %v after %d calls", got, err, m.calls)
			}
		})
	}
}
