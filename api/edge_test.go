package api

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motet-evm/motet/internal/eventlog"
)

func TestCORS(t *testing.T) {
	preflight := func(s *sut) http.Header {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url, nil)
		noErr(t, err)
		req.Header.Set("Origin", "https://app.example")
		req.Header.Set("Access-Control-Request-Method", "POST")
		req.Header.Set("Access-Control-Request-Headers", "content-type")
		res, err := s.http.Do(req)
		noErr(t, err)
		res.Body.Close()
		return res.Header
	}
	if h := preflight(newSUT(t)); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS is on by default: %v", h)
	}
	s := newSUT(t, func(c *Config, _ *Deps) { c.Origins = []string{"https://app.example"} })
	if h := preflight(s); h.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("configured origin: %v", h)
	}
}

func TestConfig(t *testing.T) {
	var c Config
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	c.RegisterFlags(fs, "http.")
	noErr(t, fs.Parse([]string{"-http.hosts", "a.example, b.example", "-http.cors", "https://a.example"}))
	noErr(t, c.Validate())
	if fmt.Sprint(c.Hosts, c.Origins, c.MaxConnsPerIP) != "[a.example b.example] [https://a.example] 100" {
		t.Errorf("%+v", c)
	}
	for _, bad := range []Config{{MaxConnsPerIP: -1}, {Calls: -1}, {Origins: []string{"a.example"}}} {
		if bad.Validate() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestListenerLimit(t *testing.T) {
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	noErr(t, err)
	l := newLimited(raw, 2)
	defer l.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", raw.Addr().String())
		noErr(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	dial()
	a, err := l.Accept()
	noErr(t, err)
	_, err = l.Accept()
	noErr(t, err)
	third := dial()
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	noErr(t, third.SetReadDeadline(time.Now().Add(30*time.Second)))
	if _, err := third.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("one too many is not closed: %v", err)
	}
	noErr(t, a.Close())
	_ = a.Close() // gives nothing back twice
	dial()
	<-accepted
	if len(l.slots) != 2 {
		t.Errorf("%d slots are taken", len(l.slots))
	}
}

// TestSlowEventStream checks that a client that takes nothing is disconnected,
// and that one that reads does not notice.
func TestSlowEventStream(t *testing.T) {
	s := newSUT(t)
	s.server.limits.eventTimeout = 200 * time.Millisecond
	slow, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	noErr(t, err)
	defer slow.Close()
	noErr(t, slow.(*net.TCPConn).SetReadBuffer(4096))
	_, err = fmt.Fprintf(slow, "GET /v1/events?types=slice HTTP/1.1\r\nHost: localhost\r\n\r\n")
	noErr(t, err)
	eventually(t, "connected", func() bool { return s.server.conns.count() == 1 })
	next, done := s.listen("?types=slice")
	defer done()
	next() // where it starts
	const slices = 400
	var written sync.WaitGroup
	written.Go(func() {
		body := eventlog.Body{Slice: &eventlog.Slice{Number: 1}}
		for range 200 {
			body.Slice.Txs = append(body.Slice.Txs, make([]byte, 100))
		}
		for i := range slices {
			body.Slice.Index = uint64(i)
			if _, err := s.log.Append(t.Context(), body); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range slices {
		if e := next(); !strings.Contains(e.data, fmt.Sprintf(`"index":%d,`, i)) {
			t.Fatalf("event %d: %.80s", i, e.data)
		}
	}
	written.Wait() // an event can be here before the writer knows that it stands
	eventually(t, "the slow client is gone", func() bool { return s.server.conns.count() == 1 })
}
