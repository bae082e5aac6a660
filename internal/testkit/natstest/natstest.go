// Package natstest runs real NATS servers for tests: in a process of their own
// that can be killed, and behind a proxy that loses what a network can lose.
//
// The server process is the test binary itself: a package that uses Start calls
// ServeIfChild first thing in its TestMain.
package natstest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	envStore  = "MOTET_NATSTEST_STORE"
	envPort   = "MOTET_NATSTEST_PORT"
	envLax    = "MOTET_NATSTEST_LAX"
	readyLine = "ready "
	patience  = 20 * time.Second
)

// ServeIfChild turns the process into a NATS server if Start started it. It does
// not return then.
func ServeIfChild() {
	store := os.Getenv(envStore)
	if store == "" {
		return
	}
	opts := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: store, SyncAlways: os.Getenv(envLax) == "", NoLog: true,
		HTTPHost: "127.0.0.1", HTTPPort: server.RANDOM_PORT,
	}
	if port := os.Getenv(envPort); port != "" {
		if _, err := fmt.Sscan(port, &opts.Port); err != nil {
			fail(err)
		}
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		fail(err)
	}
	ns.Start()
	if !ns.ReadyForConnections(patience) {
		fail(fmt.Errorf("not ready in %s", patience))
	}
	fmt.Println(readyLine + ns.MonitorAddr().String() + " " + ns.ClientURL()) //nolint:forbidigo // the parent reads it
	ns.WaitForShutdown()
	os.Exit(0)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "natstest:", err)
	os.Exit(1)
}

// Server is a NATS server in a process of its own. It keeps its port and its
// store over restarts.
type Server struct {
	t     testing.TB
	store string
	port  string
	lax   bool

	monitor string

	mu  sync.Mutex
	cmd *exec.Cmd
}

// Start starts a server with its streams in store.
func Start(t testing.TB, store string) *Server {
	t.Helper()
	s := &Server{t: t, store: store}
	s.Resume()
	t.Cleanup(s.Kill)
	return s
}

// StartLax is Start of a server that acknowledges before it syncs.
func StartLax(t testing.TB, store string) *Server {
	t.Helper()
	s := &Server{t: t, store: store, lax: true}
	s.Resume()
	t.Cleanup(s.Kill)
	return s
}

// MonitorURL returns the address of the server's monitor, which changes with a
// restart.
func (s *Server) MonitorURL() string { return "http://" + s.monitor }

// URL returns the server's address.
func (s *Server) URL() string { return "nats://" + s.Addr() }

// Addr returns the server's address as host:port.
func (s *Server) Addr() string { return "127.0.0.1:" + s.port }

// Resume starts the server again after Kill or Stop.
func (s *Server) Resume() {
	s.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$") //nolint:gosec // the test binary itself
	cmd.Env = append(os.Environ(), envStore+"="+s.store, envPort+"="+s.port)
	if s.lax {
		cmd.Env = append(cmd.Env, envLax+"=1")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, readyLine) {
		s.t.Fatalf("nats-server process said %q: %v", line, err)
	}
	s.monitor, _, _ = strings.Cut(strings.TrimPrefix(line, readyLine), " ")
	s.port = line[strings.LastIndex(line, ":")+1 : len(line)-1]
}

// Kill ends the process as a crash would (SIGKILL).
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the process as an operator would (SIGTERM).
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Freeze halts the process without ending it, and returns when it stands still; Thaw
// lets it go on.
func (s *Server) Freeze() {
	s.signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(patience); !s.stopped() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// stopped reports whether no thread of the server runs any more: a signal takes
// them one by one. Where the system does not tell, it is taken to be so.
func (s *Server) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return true
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.cmd.Process.Pid))
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if after := stat[bytes.LastIndexByte(stat, ')')+1:]; len(after) > 1 && after[1] != 'T' {
			return false
		}
	}
	return true
}

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(sig) // it may have ended already
	}
}

func (s *Server) end(sig syscall.Signal) {
	s.signal(sig)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = s.cmd.Wait() // the signal makes it an error
		s.cmd = nil
	}
}
