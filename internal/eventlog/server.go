package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ServerConfig configures the embedded server.
type ServerConfig struct {
	// StoreDir is where the streams lie.
	StoreDir string
	// Listen is the address for outsiders, host:port. Without one the server
	// is reachable from this process only.
	Listen string
	// Password admits Motet's own roles from other processes, as user
	// "motet". Without one a random password keeps them out.
	Password string
}

// Server is a NATS server in this process. It syncs every write to disk before
// it acknowledges it.
type Server struct {
	ns       *server.Server
	storeDir string
	password string
}

// The accounts of the embedded server: roles have all rights; an outsider needs
// no credentials and may only listen to the log and to the access lists and read
// both message by message, through the JetStream API prefix MOTET.API.
const (
	roleUser     = "motet"
	serverConfig = `
accounts {
  MOTET {
    jetstream: enabled
    users: [{user: motet, password: %q}]
    exports: [
      {stream: "motet.*.chain"}
      {stream: "motet.*.accesslist.*"}
      {service: "$JS.API.STREAM.INFO.MOTET_CHAIN"}
      {service: "$JS.API.STREAM.MSG.GET.MOTET_CHAIN"}
      {service: "$JS.API.STREAM.INFO.MOTET_DERIVED"}
      {service: "$JS.API.STREAM.MSG.GET.MOTET_DERIVED"}
    ]
  }
  OUTSIDE {
    users: [{user: outside, password: outside}]
    imports: [
      {stream: {account: MOTET, subject: "motet.*.chain"}}
      {stream: {account: MOTET, subject: "motet.*.accesslist.*"}}
      {service: {account: MOTET, subject: "$JS.API.STREAM.INFO.MOTET_CHAIN"}, to: "MOTET.API.STREAM.INFO.MOTET_CHAIN"}
      {service: {account: MOTET, subject: "$JS.API.STREAM.MSG.GET.MOTET_CHAIN"}, to: "MOTET.API.STREAM.MSG.GET.MOTET_CHAIN"}
      {service: {account: MOTET, subject: "$JS.API.STREAM.INFO.MOTET_DERIVED"}, to: "MOTET.API.STREAM.INFO.MOTET_DERIVED"}
      {service: {account: MOTET, subject: "$JS.API.STREAM.MSG.GET.MOTET_DERIVED"}, to: "MOTET.API.STREAM.MSG.GET.MOTET_DERIVED"}
    ]
  }
}
no_auth_user: outside
`
	readyTimeout = 30 * time.Second
)

var (
	errNotReady = errors.New("embedded nats-server is not ready in time")
	errNoSync   = errors.New("embedded nats-server does not sync every write")
)

// StartServer starts the embedded server and waits until it serves. The caller
// must Shutdown it after every connection to it is closed.
func StartServer(cfg ServerConfig, log *slog.Logger) (*Server, error) {
	password := cfg.Password
	if password == "" {
		password = rand.Text()
	}
	opts := &server.Options{}
	if err := opts.ProcessConfigString(fmt.Sprintf(serverConfig, password)); err != nil {
		return nil, fmt.Errorf("configure nats-server: %w", err)
	}
	opts.ServerName = "motet"
	opts.JetStream = true
	opts.StoreDir = filepath.Clean(cfg.StoreDir)
	opts.SyncAlways = true
	opts.NoSigs = true
	opts.DontListen = cfg.Listen == ""
	// Unlimited: disk space is watched by its owner, and an intake has its own
	// limit. The server's default is a share of the disk found at start.
	opts.JetStreamMaxStore = 1 << 50
	if cfg.Listen != "" {
		host, port, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen address of nats-server: %w", err)
		}
		opts.Host = host
		if opts.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("listen address of nats-server: port %q: %w", port, err)
		}
		if opts.Port == 0 {
			opts.Port = server.RANDOM_PORT
		}
		// nats-server would log a busy port and never be ready.
		probe, err := net.Listen("tcp", cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("open the address of nats-server: %w", err)
		}
		_ = probe.Close()
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("create nats-server: %w", err)
	}
	ns.SetLoggerV2(serverLogger{log}, false, false, false)
	ns.Start()
	s := &Server{ns: ns, storeDir: opts.StoreDir, password: password}
	if !ns.ReadyForConnections(readyTimeout) {
		s.Shutdown()
		return nil, errNotReady
	}
	if js := ns.JetStreamConfig(); js == nil || !js.SyncAlways {
		s.Shutdown()
		return nil, errNoSync
	}
	return s, nil
}

// URL returns the address for outsiders, empty when the server does not listen.
func (s *Server) URL() string {
	if s.ns.Addr() == nil {
		return ""
	}
	return s.ns.ClientURL()
}

// RoleURL returns the address with the credentials of Motet's own roles.
func (s *Server) RoleURL() string {
	u, err := url.Parse(s.URL())
	if err != nil || u.Host == "" {
		return ""
	}
	u.User = url.UserPassword(roleUser, s.password)
	return u.String()
}

// Shutdown stops the server and returns when its files are closed.
func (s *Server) Shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// serverLogger hands nats-server's lines to slog. Its notices are of interest to
// nobody but a developer.
type serverLogger struct{ log *slog.Logger }

const serverLine = "nats-server"

// passwordLine is nats-server's warning about passwords in its configuration. Ours
// is made anew at each start and is in no file.
const passwordLine = "Plaintext passwords detected"

func (l serverLogger) line(level slog.Level, format string, v []any) {
	if strings.HasPrefix(format, passwordLine) {
		return
	}
	l.log.Log(context.Background(), level, serverLine, slog.String("line", fmt.Sprintf(format, v...)))
}
func (l serverLogger) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }
func (l serverLogger) Warnf(format string, v ...any)   { l.line(slog.LevelInfo, format, v) }
func (l serverLogger) Errorf(format string, v ...any)  { l.line(slog.LevelWarn, format, v) }
func (l serverLogger) Fatalf(format string, v ...any)  { l.line(slog.LevelError, format, v) }
func (l serverLogger) Debugf(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }
func (l serverLogger) Tracef(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }
