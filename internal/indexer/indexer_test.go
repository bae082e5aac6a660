package indexer_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/motet-evm/motet/internal/indexer"
	"github.com/motet-evm/motet/migrations"
)

func TestFollowsTheChain(t *testing.T) {
	url := postgres.Empty(t)
	m := newMaker()
	c := m.chain()
	blocks, receipts := m.make(30, 8, 1)
	c.set(0, blocks[:10], receipts[:10])
	start(t, url, m, c)
	waitCaughtUp(t, url, c)
	for n := 10; n < 30; n++ {
		c.set(n, blocks[n:n+1], receipts[n:n+1])
	}
	waitCaughtUp(t, url, c)
	requireEqual(t, url, c)
}

func TestReadsWhatGethDerives(t *testing.T) {
	url := postgres.Empty(t)
	m := newMaker()
	c := m.chain()
	c.grow(m.make(3, 8, 1))
	start(t, url, m, c)
	waitCaughtUp(t, url, c)
	x := open(t, url)
	for n, block := range c.blocks {
		for i, tx := range block.Transactions() {
			want := c.receipts[n][i]
			got, err := x.Receipt(t.Context(), tx.Hash())
			if err != nil {
				t.Fatal(err)
			}
			// The generator leaves out what a chain derives.
			clone := *want
			clone.PostState = nil
			if diff := cmp.Diff(&clone, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b *types.Log) bool {
				return a.Address == b.Address && string(a.Data) == string(b.Data) && a.Index == b.Index && a.TxHash == b.TxHash && a.BlockHash == b.BlockHash
			}), cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
				t.Fatalf("block %d, transaction %d: %s", n, i, diff)
			}
			found, err := x.Transaction(t.Context(), tx.Hash())
			if err != nil || found.Hash() != tx.Hash() || found.Block.Hash != block.Hash() || found.Index != uint64(i) {
				t.Fatalf("block %d, transaction %d: %+v, %v", n, i, found, err)
			}
			byNonce, err := x.TransactionOf(t.Context(), found.From, tx.Nonce())
			if err != nil || byNonce.Hash() != tx.Hash() {
				t.Fatalf("nonce %d: %+v, %v", tx.Nonce(), byNonce, err)
			}
		}
	}
	if _, err := x.Receipt(t.Context(), common.Hash{1}); !errors.Is(err, indexer.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestLogs(t *testing.T) {
	url := postgres.Empty(t)
	m := newMaker()
	c := m.chain()
	c.grow(m.make(5, 8, 1))
	start(t, url, m, c)
	waitCaughtUp(t, url, c)
	x := open(t, url)
	topic := func(b byte) common.Hash { return common.BytesToHash([]byte{b}) }
	all := indexer.LogFilter{To: ^uint64(0), Limit: 100}
	with := func(change func(*indexer.LogFilter)) indexer.LogFilter {
		f := all
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		filter indexer.LogFilter
		want   int
		more   bool
	}{
		"all":          {all, 10, false},
		"range":        {with(func(f *indexer.LogFilter) { f.From, f.To = 2, 3 }), 4, false},
		"limit":        {with(func(f *indexer.LogFilter) { f.Limit = 3 }), 3, true},
		"address":      {with(func(f *indexer.LogFilter) { f.Addresses = []common.Address{{1}, loggerAddress} }), 10, false},
		"no address":   {with(func(f *indexer.LogFilter) { f.Addresses = []common.Address{{1}} }), 0, false},
		"topic":        {with(func(f *indexer.LogFilter) { f.Topics = [][]common.Hash{{topic(0xaa), topic(1)}} }), 10, false},
		"second topic": {with(func(f *indexer.LogFilter) { f.Topics = [][]common.Hash{nil, {topic(0xbb)}} }), 10, false},
		"wrong topic":  {with(func(f *indexer.LogFilter) { f.Topics = [][]common.Hash{{topic(0xbb)}} }), 0, false},
		"too many":     {with(func(f *indexer.LogFilter) { f.Topics = [][]common.Hash{nil, nil, nil} }), 0, false},
	} {
		logs, more, err := x.Logs(t.Context(), c.filter)
		if err != nil || len(logs) != c.want || more != c.more {
			t.Errorf("%s: %d logs, more %v, %v", name, len(logs), more, err)
		}
	}
}

func TestFollowsARollback(t *testing.T) {
	for name, height := range map[string]int{"to a longer branch": 140, "to a shorter branch": 60, "to the fork point": 20} {
		t.Run(name, func(t *testing.T) {
			url := postgres.Empty(t)
			m := newMaker()
			c := m.chain()
			c.grow(m.make(120, 4, 1))
			start(t, url, m, c)
			waitCaughtUp(t, url, c)
			// The branches share 20 blocks.
			branch, receipts := m.branch(c.blocks[1:21], height-20, 2)
			c.set(20, branch, receipts)
			waitCaughtUp(t, url, c)
			requireEqual(t, url, c)
			var fork, old int
			query(t, url, "SELECT fork_number, old_number FROM reorgs", &fork, &old)
			if fork != 20 || old != 120 {
				t.Fatalf("rollback from %d to %d", old, fork)
			}
		})
	}
}

func query(t *testing.T, url, sql string, into ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(into...); err != nil {
		t.Fatal(err)
	}
}

func execSQL(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestSurvivesPostgres kills the server again and again while blocks arrive.
func TestSurvivesPostgres(t *testing.T) {
	cluster := postgres.Cluster(t)
	url := postgres.Empty(t)
	m := newMaker()
	c := m.chain()
	blocks, receipts := m.make(100, 8, 1)
	start(t, url, m, c)
	for n := range 100 {
		c.set(n, blocks[n:n+1], receipts[n:n+1])
		if n%40 == 20 {
			waitFor(t, cluster.URL("postgres"))
			if err := cluster.Process().Kill(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	waitCaughtUp(t, url, c)
	requireEqual(t, url, c)
}

// TestNoticesAServerThatHangs stops the process behind the indexer's connection:
// the indexer gives up on it, and catches up once the lock it held is free.
func TestNoticesAServerThatHangs(t *testing.T) {
	postgres.Cluster(t)
	url := postgres.Empty(t)
	m := newMaker()
	c := m.chain()
	blocks, receipts := m.make(20, 8, 1)
	c.set(0, blocks[:10], receipts[:10])
	start(t, url, m, c)
	waitCaughtUp(t, url, c)
	var pid int
	query(t, url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'motet-indexer' AND datname = current_database()", &pid)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.set(10, blocks[10:], receipts[10:])
	time.Sleep(2 * testStatementTimeout)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitCaughtUp(t, url, c)
	requireEqual(t, url, c)
}

func waitFor(t *testing.T, url string) {
	t.Helper()
	for range 1000 {
		conn, err := pgx.Connect(t.Context(), url)
		if err == nil {
			conn.Close(t.Context())
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("postgres does not come back")
}

// TestKilledSessionsLeaveWholeBlocks ends the indexer's connection at random
// moments.
func TestKilledSessionsLeaveWholeBlocks(t *testing.T) {
	url := postgres.Empty(t)
	m := newMaker()
	c := m.chain()
	blocks, receipts := m.make(150, 8, 1)
	start(t, url, m, c)
	for n := range 150 {
		c.set(n, blocks[n:n+1], receipts[n:n+1])
		if n%5 == 0 {
			execSQL(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'motet-indexer' AND datname = current_database()")
		}
	}
	waitCaughtUp(t, url, c)
	requireEqual(t, url, c)
}

func TestTwoIndexersAgree(t *testing.T) {
	url := postgres.Empty(t)
	m := newMaker()
	c := m.chain()
	c.grow(m.make(60, 4, 1))
	start(t, url, m, c)
	start(t, url, m, c)
	waitCaughtUp(t, url, c)
	requireEqual(t, url, c)
}

func TestRebuild(t *testing.T) {
	url := postgres.Database(t)
	m := newMaker()
	c := m.chain()
	c.grow(m.make(10, 4, 1))
	stop := start(t, url, m, c)
	waitCaughtUp(t, url, c)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := indexer.Rebuild(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	var n int
	query(t, url, "SELECT count(*) FROM blocks", &n)
	if n != 0 {
		t.Fatalf("%d blocks left", n)
	}
	start(t, url, m, c)
	waitCaughtUp(t, url, c)
	requireEqual(t, url, c)
}

func TestRefusesWhatIsNotItsOwn(t *testing.T) {
	run := func(t *testing.T, url string, m *maker, c *testChain) error {
		config := indexer.DefaultConfig()
		config.URL = url
		ix, err := indexer.New(config, indexer.Deps{Source: c, Signer: m.signer()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return ix.Run(ctx)
	}
	t.Run("another chain", func(t *testing.T) {
		url := postgres.Database(t)
		m := newMaker()
		c := m.chain()
		c.grow(m.make(3, 1, 1))
		stop := start(t, url, m, c)
		waitCaughtUp(t, url, c)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		other := newMaker()
		other.gspec.Timestamp = 7
		c2 := other.chain()
		c2.grow(other.make(5, 1, 1))
		if err := run(t, url, other, c2); !errors.Is(err, indexer.ErrForeign) {
			t.Fatal(err)
		}
		requireEqual(t, url, c)
	})
	t.Run("a newer schema", func(t *testing.T) {
		url := postgres.Database(t)
		execSQL(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)")
		m := newMaker()
		if err := run(t, url, m, m.chain()); !errors.Is(err, migrations.ErrNewerSchema) {
			t.Fatal(err)
		}
	})
	t.Run("no connection string", func(t *testing.T) {
		config := indexer.DefaultConfig()
		config.URL = "postgres://user:secret@host:port/x"
		err := config.Validate()
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Fatal(err)
		}
	})
}

func TestMigrationsGoBothWays(t *testing.T) {
	url := postgres.Empty(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	done := make(chan error)
	for range 3 {
		go func() { done <- migrations.Up(t.Context(), db) }()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := migrations.Down(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var n int
	query(t, url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version'", &n)
	if n != 0 {
		t.Fatalf("%d tables left", n)
	}
}

func TestClusterOutlivesARestart(t *testing.T) {
	postgres.Cluster(t)
	dir := t.TempDir()
	for i := range 2 {
		c, err := indexer.StartCluster(t.Context(), indexer.ClusterConfig{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CreateDatabase(t.Context(), "kept", ""); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			execSQL(t, c.URL("kept"), "CREATE TABLE t AS SELECT 42 AS x")
		} else {
			var x int
			query(t, c.URL("kept"), "SELECT x FROM t", &x)
			if x != 42 {
				t.Fatal(x)
			}
		}
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClusterDiesWithItsParent kills a process that runs a cluster.
func TestClusterDiesWithItsParent(t *testing.T) {
	const env = "MOTET_TEST_CLUSTER_DIR"
	if dir := os.Getenv(env); dir != "" {
		c, err := indexer.StartCluster(t.Context(), indexer.ClusterConfig{Dir: dir, Unsafe: true})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("pid", c.Process().Pid)
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a child to its parent's life")
	}
	postgres.Cluster(t)
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], "-test.run", "^TestClusterDiesWithItsParent$")
	parent.Env = append(os.Environ(), env+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "pid %d", &pid)
	}
	if pid == 0 {
		t.Fatal("no cluster in the child")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	sockets, err := os.ReadFile(filepath.Join(dir, "sockets"))
	if err != nil {
		t.Fatal(err)
	}
	// At once, while the old one may still be going down.
	c, err := indexer.StartCluster(t.Context(), indexer.ClusterConfig{Dir: dir, Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	// It may still be listed, dead, where nobody reaps orphans.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Fatalf("the orphan lives on: %s", stat)
	}
	if _, err := os.Stat(string(sockets)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s of the killed one is left: %v", sockets, err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
}
