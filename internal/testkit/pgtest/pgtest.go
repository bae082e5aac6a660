// Package pgtest gives tests a real Postgres: one private server for a test
// binary, and a migrated database of its own for each test.
//
//	var postgres pgtest.Server
//
//	func TestMain(m *testing.M) { os.Exit(postgres.Run(m)) }
//
//	func TestX(t *testing.T) { url := postgres.Database(t) … }
//
// MOTET_TEST_POSTGRES_URL names a server to use instead. Where there is none,
// tests are skipped, unless CI=true makes that a failure.
package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that migrations need

	"github.com/motet-evm/motet/internal/indexer"
	"github.com/motet-evm/motet/migrations"
)

const template = "motet_template"

// Server is the Postgres of a test binary.
type Server struct {
	cluster *indexer.Cluster
	base    string // of an external server
	absent  error
	next    atomic.Int64
}

// Run starts the server, runs the tests and stops it.
func (s *Server) Run(m *testing.M) int {
	if err := s.start(); err != nil {
		if !errors.Is(err, indexer.ErrNoPostgres) {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			return 1
		}
		s.absent = err
	}
	code := m.Run()
	if s.cluster != nil {
		dir := s.cluster.Dir()
		if err := errors.Join(s.cluster.Stop(), os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			return 1
		}
	}
	return code
}

func (s *Server) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if s.base = os.Getenv("MOTET_TEST_POSTGRES_URL"); s.base == "" {
		dir, err := os.MkdirTemp("", "motet-pgtest")
		if err != nil {
			return err
		}
		if s.cluster, err = indexer.StartCluster(ctx, indexer.ClusterConfig{Dir: dir, Unsafe: true}); err != nil {
			return errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+template, "CREATE DATABASE "+template); err != nil {
		return err
	}
	db, err := sql.Open("pgx", s.URL(template))
	if err != nil {
		return err
	}
	return errors.Join(migrations.Up(ctx, db), db.Close())
}

// URL returns the connection string of a database of the server.
func (s *Server) URL(database string) string {
	if s.cluster != nil {
		return s.cluster.URL(database)
	}
	u, err := url.Parse(s.base)
	if err != nil {
		return s.base
	}
	u.Path = "/" + database
	return u.String()
}

// Cluster returns the private server, for tests that do it harm. It skips the
// test where an external one is used.
func (s *Server) Cluster(t testing.TB) *indexer.Cluster {
	t.Helper()
	s.require(t)
	if s.cluster == nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("MOTET_TEST_POSTGRES_URL is set, and the test needs a postgres of its own")
		}
		t.Skip("the test needs a postgres of its own, not that of MOTET_TEST_POSTGRES_URL")
	}
	return s.cluster
}

// Empty returns the URL of a new database without a schema.
func (s *Server) Empty(t testing.TB) string { return s.create(t, "") }

// Database returns the URL of a new database with the newest schema.
func (s *Server) Database(t testing.TB) string { return s.create(t, " TEMPLATE "+template) }

func (s *Server) create(t testing.TB, from string) string {
	t.Helper()
	s.require(t)
	name := fmt.Sprintf("motet_test_%d_%d", os.Getpid(), s.next.Add(1))
	if err := s.exec(t.Context(), "CREATE DATABASE "+name+from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

func (s *Server) require(t testing.TB) {
	t.Helper()
	switch {
	case s.absent == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(s.absent)
	default:
		t.Skip("SKIPPED, THE INDEX IS NOT TESTED: ", s.absent)
	}
}

func (s *Server) exec(ctx context.Context, statements ...string) (err error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to test postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}
