package indexer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPostgres says that this machine has no Postgres that could be started.
var ErrNoPostgres = errors.New("no postgres on this machine")

const (
	superuser      = "motet"
	startDeadline  = 30 * time.Second
	startAttempts  = 40
	restartBackoff = 250 * time.Millisecond
	fastStop       = 10 * time.Second
)

// ClusterConfig describes a private Postgres.
type ClusterConfig struct {
	// Dir keeps the data; it is created if need be.
	Dir string
	// Unsafe gives up durability for speed, for tests.
	Unsafe bool
	Log    *slog.Logger
}

// Cluster is a private Postgres: a child process that only this user reaches,
// through a Unix socket. It is started again when it dies, and stops when this
// process does, whatever way that is.
type Cluster struct {
	config  ClusterConfig
	bin     string // directory of the binaries
	dir     string
	drop    dropRoot
	sockets string

	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	process *os.Process
}

// StartCluster creates the cluster in its directory unless it is there already,
// starts it and waits until it answers. The error wraps ErrNoPostgres where that
// cannot be.
func StartCluster(ctx context.Context, config ClusterConfig) (*Cluster, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("postgres directory: %w", err)
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cluster{config: config, bin: bin, dir: dir, stop: make(chan struct{}), stopped: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create postgres directory: %w", err)
	}
	if err := c.initialise(ctx); err != nil {
		return nil, err
	}
	if err := c.makeSockets(); err != nil {
		return nil, fmt.Errorf("create socket directory: %w", err)
	}
	if err := c.drop.own(c.sockets); err != nil {
		return nil, fmt.Errorf("hand over socket directory: %w", err)
	}
	started := make(chan error, 1)
	go c.supervise(started)
	select {
	case err = <-started:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// makeSockets makes the directory of the sockets, whose path may have 107 bytes
// only, which a data directory easily exceeds. One that a crash left is removed.
func (c *Cluster) makeSockets() error {
	const parent, prefix = "/tmp", "motet-pg"
	note := filepath.Join(c.dir, "sockets")
	if old, err := os.ReadFile(note); err == nil {
		if name := filepath.Base(string(old)); strings.HasPrefix(name, prefix) {
			if err := os.RemoveAll(filepath.Join(parent, name)); err != nil {
				c.config.Log.Warn("socket directory is left over", slog.Any("err", err))
			}
		}
	}
	var err error
	if c.sockets, err = os.MkdirTemp(parent, prefix); err != nil {
		return err
	}
	return os.WriteFile(note, []byte(c.sockets), 0o600)
}

// findBinaries looks where distributions put Postgres.
func findBinaries() (string, error) {
	var dirs []string
	if d := os.Getenv("PG_BIN"); d != "" {
		dirs = append(dirs, d)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("search postgres: %w", err)
		}
		slices.Reverse(found) // newest first
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if isExecutable(filepath.Join(dir, "initdb")) && isExecutable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w: initdb is neither in $PG_BIN nor in PATH nor where distributions put it", ErrNoPostgres)
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// initialise creates the data directory. Postgres refuses to run as root, so a
// way to drop it is chosen here, by trying.
func (c *Cluster) initialise(ctx context.Context) error {
	var errs []error
	for _, drop := range waysToDropRoot() {
		c.drop = drop
		err := c.initdb(ctx)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", drop.name, err))
		if ctx.Err() != nil || !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOSPC) {
			break
		}
	}
	return fmt.Errorf("%w: %w", ErrNoPostgres, errors.Join(errs...))
}

func (c *Cluster) initdb(ctx context.Context) error {
	data := c.data()
	exists := fileExists(filepath.Join(data, "PG_VERSION"))
	// A directory whose creation was cut short is made anew: initdb writes its
	// files first and has nothing to lose.
	fresh := data + ".new"
	if !exists {
		if err := os.RemoveAll(fresh); err != nil {
			return fmt.Errorf("clear %s: %w", fresh, err)
		}
		if err := os.Mkdir(fresh, 0o700); err != nil {
			return fmt.Errorf("create %s: %w", fresh, err)
		}
	} else {
		fresh = data
	}
	if err := c.drop.own(c.dir, fresh); err != nil {
		return fmt.Errorf("hand over %s: %w", c.dir, err)
	}
	args := []string{"-D", fresh, "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"}
	if exists {
		args = []string{"--version"} // tells whether this way of dropping root works
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), args...)
	c.drop.apply(cmd)
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLine(out))
	}
	if exists {
		return nil
	}
	if err := os.Rename(fresh, data); err != nil {
		return fmt.Errorf("move new cluster in place: %w", err)
	}
	return nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(bytes.TrimSpace(lines[len(lines)-1]))
}

// URL returns the connection string of a database of the cluster.
func (c *Cluster) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	q := url.Values{"host": {c.sockets}, "sslmode": {"disable"}}
	u.RawQuery = q.Encode()
	return u.String()
}

// CreateDatabase creates a database unless it exists, as a copy of template if
// that is not empty.
func (c *Cluster) CreateDatabase(ctx context.Context, name, template string) (err error) {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to private postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if exists {
		return nil
	}
	sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		sql += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Process returns the running server, for tests that do it harm.
func (c *Cluster) Process() *os.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process
}

// Stop stops the server in order, at once if it does not hurry.
func (c *Cluster) Stop() error {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	<-c.stopped
	if err := os.RemoveAll(c.sockets); err != nil {
		return fmt.Errorf("remove socket directory: %w", err)
	}
	return nil
}

// Dir returns where the cluster keeps its files.
func (c *Cluster) Dir() string { return c.dir }
