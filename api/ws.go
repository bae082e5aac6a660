package api

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/rpc"
)

// conns are the long-lived connections: WebSockets and event streams.
type conns struct {
	mu     sync.Mutex
	byPeer map[string]*wsConn   // WebSockets, by the remote address that geth's server tells
	perIP  map[string]int       // all
	ends   map[*func()]struct{} // ends event streams and waiting requests
	closed bool
	open   sync.WaitGroup
	n      atomic.Int64
}

func newConns() *conns {
	return &conns{byPeer: make(map[string]*wsConn), perIP: make(map[string]int), ends: make(map[*func()]struct{})}
}

func (c *conns) count() int64 { return c.n.Load() }

// enter counts a long-lived connection of r's client and refuses one too many,
// or any while the server stops. The context that it returns ends when the
// server stops.
func (c *conns) enter(r *http.Request, limit int) (ctx context.Context, leave func(), ok bool) {
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	c.mu.Lock()
	defer c.mu.Unlock()
	addr := net.ParseIP(ip)
	if c.closed || c.perIP[ip] >= limit && (addr == nil || !addr.IsLoopback()) {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(r.Context())
	end := func() { cancel() }
	c.perIP[ip]++
	c.ends[&end] = struct{}{}
	c.open.Add(1)
	c.n.Add(1)
	return ctx, func() {
		cancel()
		c.mu.Lock()
		if c.perIP[ip]--; c.perIP[ip] == 0 {
			delete(c.perIP, ip)
		}
		delete(c.ends, &end)
		c.mu.Unlock()
		c.n.Add(-1)
		c.open.Done()
	}, true
}

// closeAll ends all connections and refuses new ones.
func (c *conns) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for end := range c.ends {
		(*end)()
	}
	for _, ws := range c.byPeer {
		_ = ws.Conn.Close() // not its own Close, which takes the lock
	}
}

func (c *conns) wait() { c.open.Wait() }

// wsConn is the connection below a WebSocket. It ends itself at the first write
// that fails, which for a client that does not read is the one that times out;
// geth's server would keep it until a ping goes unanswered.
type wsConn struct {
	net.Conn
	subs atomic.Int32
	gone func() // called once
	slow func() // called once
}

func (c *wsConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.cut()
	case err != nil:
		_ = c.Close()
	}
	return n, err
}

func (c *wsConn) Close() error {
	c.gone()
	return c.Conn.Close()
}

// cut ends the connection of a client that does not keep up.
func (c *wsConn) cut() {
	c.slow()
	_ = c.Close()
}

// hijacker puts a wsConn below a WebSocket.
type hijacker struct {
	http.ResponseWriter
	s *Server
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	peer, conns := raw.RemoteAddr().String(), h.s.conns
	conn := &wsConn{Conn: raw, slow: sync.OnceFunc(h.s.metrics.dropped.WithLabelValues("slow_subscriber").Inc)}
	conn.gone = sync.OnceFunc(func() {
		conns.mu.Lock()
		defer conns.mu.Unlock()
		if conns.byPeer[peer] == conn {
			delete(conns.byPeer, peer)
		}
	})
	conns.mu.Lock()
	defer conns.mu.Unlock()
	conns.byPeer[peer] = conn
	return conn, rw, nil
}

// peer returns the WebSocket that a method was called over, nil if it was not.
func (c *conns) peer(ctx context.Context) *wsConn {
	info := rpc.PeerInfoFromContext(ctx)
	if info.Transport != "ws" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byPeer[info.RemoteAddr]
}

// serveWS serves JSON-RPC over a WebSocket until the client goes away.
func (s *Server) serveWS(ws http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, leave, ok := s.conns.enter(r, s.cfg.MaxConnsPerIP)
		if !ok {
			s.metrics.dropped.WithLabelValues("too_many_connections").Inc()
			http.Error(w, "too many connections", http.StatusTooManyRequests)
			return
		}
		defer leave()
		s.metrics.requests.WithLabelValues("ws").Inc()
		ws.ServeHTTP(hijacker{w, s}, r)
	}
}
