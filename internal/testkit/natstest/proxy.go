package natstest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between a client and a server and loses, on request, what the
// connections that exist then carry from then on. Later connections are sound.
type Proxy struct {
	t      testing.TB
	target string
	ln     net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex
	links  map[*link]struct{}
	closed bool
}

// link is one proxied connection.
type link struct {
	client, server net.Conn

	mu          sync.Mutex
	dropAnswers bool
	hold        bool
	held        []byte // requests kept back
}

// NewProxy starts a proxy to the server at target, host:port.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, target: target, ln: ln, links: make(map[*link]struct{})}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// URL returns the address that clients use.
func (p *Proxy) URL() string { return "nats://" + p.ln.Addr().String() }

// DropAnswers loses everything that the server says on today's connections.
func (p *Proxy) DropAnswers() {
	p.each(func(l *link) { l.dropAnswers = true })
}

// HoldRequests keeps back everything that clients say on today's connections.
func (p *Proxy) HoldRequests() {
	p.each(func(l *link) { l.hold = true })
}

// Deliver hands over what HoldRequests kept back, even if its client is gone.
func (p *Proxy) Deliver() {
	p.each(func(l *link) {
		l.hold = false
		_, _ = l.server.Write(l.held) // the server may be gone
		l.held = nil
	})
}

// Cut breaks today's connections.
func (p *Proxy) Cut() {
	p.each(func(l *link) {
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

func (p *Proxy) each(f func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.mu.Lock()
		f(l)
		l.mu.Unlock()
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.ln.Close()
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		if p.closed {
			_ = client.Close()
			_ = server.Close()
			p.mu.Unlock()
			return
		}
		p.links[l] = struct{}{}
		p.mu.Unlock()
		p.wg.Go(l.requests)
		p.wg.Go(l.answers)
	}
}

// requests carries bytes to the server. A client that goes away takes the
// connection with it, unless it left requests that may yet be delivered.
func (l *link) requests() {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		l.mu.Lock()
		if l.hold {
			l.held = append(l.held, buf[:n]...)
		} else if _, werr := l.server.Write(buf[:n]); werr != nil {
			err = werr
		}
		if err != nil && len(l.held) == 0 {
			_ = l.server.Close()
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// answers carries bytes to the client.
func (l *link) answers() {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buf)
		l.mu.Lock()
		drop := l.dropAnswers
		l.mu.Unlock()
		if !drop {
			if _, werr := l.client.Write(buf[:n]); werr != nil && err == nil {
				// Keep reading: the server must not be the one to notice.
				_, err = io.Copy(io.Discard, l.server)
			}
		}
		if err != nil {
			_ = l.client.Close()
			return
		}
	}
}
