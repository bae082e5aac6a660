package eventlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/motet-evm/motet"
)

// stored is a log on disk that no server holds open.
type stored struct {
	dir   string
	block string // the file that holds the messages
	data  []byte // what it held
}

const storedRecords = 40

// store writes a log of storedRecords records, one a message, and stops the
// server.
func store(t *testing.T) stored {
	t.Helper()
	st := stored{dir: t.TempDir()}
	s, err := StartServer(ServerConfig{StoreDir: st.dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	c := newConn(t, Config{}, s)
	defer c.Close()
	l := newLog(t, c)
	for n := range uint64(storedRecords) {
		mustAppend(t, l, numbered(n+1))
	}
	files, err := filepath.Glob(filepath.Join(st.dir, "jetstream", "*", "streams", logStream, "msgs", "*.blk"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	st.block = files[0]
	if st.data, err = os.ReadFile(st.block); err != nil {
		t.Fatal(err)
	}
	return st
}

// readBack opens the log as it is on disk and reads what it holds.
func (st *stored) readBack(t *testing.T, data []byte) (records int, err error) {
	t.Helper()
	if err := os.WriteFile(st.block, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := StartServer(ServerConfig{StoreDir: st.dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	c := newConn(t, Config{}, s)
	defer c.Close()
	l, err := c.OpenLog(t.Context(), testID)
	if err != nil {
		return 0, err
	}
	tail, _ := l.Tail()
	f, err := l.Read(t.Context(), Cursor{})
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for uint64(records) < tail.Counter {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		r, err := f.Next(ctx)
		cancel()
		if err != nil {
			return records, err
		}
		records++
		if r.Slice.Number != uint64(records) {
			t.Fatalf("record %d holds number %d", records, r.Slice.Number)
		}
	}
	return records, nil
}

// TestFlippedBits damages the stored log. It is read whole, or reported as
// damaged; nothing is missing in silence.
func TestFlippedBits(t *testing.T) {
	st := store(t)
	state := filepath.Join(filepath.Dir(st.block), "index.db")
	noticed := 0
	const flips = 40
	for i := range flips {
		bad := bytes.Clone(st.data)
		at := rand.IntN(len(bad)) //nolint:gosec // no secret
		for i%2 == 1 && highSequence(st.data, at) {
			at = rand.IntN(len(bad)) //nolint:gosec // no secret
		}
		bad[at] ^= 1 << rand.IntN(8)
		if i%2 == 0 {
			_ = os.Remove(state) // as after a crash: the server scans its files
		}
		n, err := st.readBack(t, bad)
		var damage *DamageError
		switch {
		case err == nil && n == storedRecords:
		case errors.As(err, &damage) && errors.Is(err, motet.ErrHalt):
			noticed++
		default:
			t.Fatalf("flip in byte %d of %d: %d records, error %v", at, len(bad), n, err)
		}
	}
	t.Logf("%d of %d flips halt", noticed, flips)
}

// highSequence reports whether a byte of the messages' file belongs to the upper
// part of a message's sequence number. While index.db stands, nats-server 2.15
// believes that number before it looks at the checksum, and marks all between it
// and the one before as deleted, one by one, until the memory ends. That is loud
// enough, but no test survives it.
func highSequence(data []byte, at int) bool {
	const headers = 1 << 31
	start := 0
	for {
		size := int(binary.LittleEndian.Uint32(data[start:]) &^ headers)
		if at < start+size {
			return at-start >= 4+2 && at-start < 4+8
		}
		start += size
	}
}

// TestTornTail cuts the last message, which was never acknowledged, at every
// tenth byte. It is gone, and nothing else.
func TestTornTail(t *testing.T) {
	st := store(t)
	path := filepath.Join(st.dir, logStream+".mark")
	m := &mark{}
	var err error
	if m.file, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		t.Fatal(err)
	}
	defer m.close()
	at := m.read()
	if at.Counter != storedRecords {
		t.Fatalf("mark is at %s", at)
	}
	at.Counter--
	if err := m.set(at); err != nil {
		t.Fatal(err)
	}
	size := len(st.data) / storedRecords
	for cut := 1; cut < size; cut += 10 {
		_ = os.Remove(filepath.Join(filepath.Dir(st.block), "index.db")) // a crash leaves none of that tail
		if n, err := st.readBack(t, st.data[:len(st.data)-cut]); err != nil || n != storedRecords-1 {
			t.Fatalf("cut by %d bytes: %d records, error %v", cut, n, err)
		}
	}
}
