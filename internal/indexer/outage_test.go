package indexer_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// wire leads to a Postgres server and can be cut.
type wire struct {
	addr   string
	server *pgx.ConnConfig

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	copies   sync.WaitGroup
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	server, err := pgx.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: "127.0.0.1:0", server: server}
	w.connect(t)
	t.Cleanup(w.cut)
	return w
}

func (w *wire) url() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(w.server.User, w.server.Password), Host: w.addr, Path: w.server.Database, RawQuery: "sslmode=disable"}
	return u.String()
}

func (w *wire) connect(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	w.listener, w.addr = l, l.Addr().String()
	w.copies.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			network, address := "tcp", fmt.Sprintf("%s:%d", w.server.Host, w.server.Port)
			if strings.HasPrefix(w.server.Host, "/") {
				network, address = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", w.server.Host, w.server.Port)
			}
			out, err := net.Dial(network, address)
			if err != nil {
				in.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, in, out)
			w.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				w.copies.Go(func() { io.Copy(pair[0], pair[1]); pair[0].Close() })
			}
		}
	})
}

func (w *wire) cut() {
	w.listener.Close()
	w.mu.Lock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
	w.mu.Unlock()
	w.copies.Wait()
}

// TestAnOutageIsOneLine cuts the way to Postgres twice, for several attempts each
// time: two lines tell of each, and none has a line break in it.
func TestAnOutageIsOneLine(t *testing.T) {
	w := newWire(t, postgres.Empty(t))
	m := newMaker()
	c := m.chain()
	blocks, receipts := m.make(2, 4, 1)
	var log lockedBuffer
	w.cut()
	startLogging(t, w.url(), m, c, slog.New(slog.NewTextHandler(&log, nil)))
	for i := range 2 {
		c.set(i, blocks[i:i+1], receipts[i:i+1])
		time.Sleep(700 * time.Millisecond)
		w.connect(t)
		waitCaughtUp(t, w.url(), c)
		waitLines(t, &log, 2*i+2)
		if i == 0 {
			w.cut()
		}
	}
	want := regexp.MustCompile(`^(.*level=WARN msg="index interrupted" err=".*"
.*level=INFO msg="index goes on" elapsed=.*
){2}$`)
	if got := log.String(); !want.MatchString(got) || !strings.Contains(got, "connection refused") || strings.Contains(got, `\n`) || strings.Contains(got, `\t`) {
		t.Errorf("the log is\n%s", got)
	}
}

func waitLines(t *testing.T, log *lockedBuffer, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); strings.Count(log.String(), "\n") < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log is\n%s", log.String())
		}
	}
}
