package eventlog

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/motet-evm/motet"
)

const testWait = time.Minute

func TestAppendAndRead(t *testing.T) {
	s := newServer(t, ServerConfig{})
	l := newLog(t, newConn(t, Config{}, s))
	bodies := []Body{epochBody(1), openBody(1), sliceBody(1, 0, 100), sealBody(1), reorgBody(0)}
	mustAppend(t, l, bodies[0])
	mustAppend(t, l, bodies[1], bodies[2])
	mid, _ := l.Tail()
	mustAppend(t, l, bodies[3])
	end := mustAppend(t, l, bodies[4])

	f := newFeed(t, l, Cursor{})
	for i, want := range bodies {
		got := next(t, f)
		if got.Kind() != want.Kind() || got.Counter != uint64(i+1) {
			t.Fatalf("record %d: got %s %s, want %s", i, got.Kind(), got.Cursor, want.Kind())
		}
	}
	g := newFeed(t, l, mid)
	if got := next(t, g); got.Kind() != KindSeal {
		t.Fatalf("after %s: got %s", mid, got.Kind())
	}
	next(t, g)
	done := make(chan Record)
	go func() { done <- next(t, g) }()
	mustAppend(t, l, epochBody(2))
	if got := <-done; got.Epoch.Epoch != 2 || got.Counter != end.Counter+1 {
		t.Fatalf("live record: %+v", got)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, ServerConfig{StoreDir: dir})
	c := newConn(t, Config{}, s)
	l := newLog(t, c)
	mustAppend(t, l, epochBody(1), openBody(1))
	want, _ := l.Tail()
	c.Close()
	s.Shutdown()

	l = newLog(t, newConn(t, Config{}, newServer(t, ServerConfig{StoreDir: dir})))
	got, last := l.Tail()
	if got != want || last.Kind() != KindOpen {
		t.Fatalf("tail is %s (%s), want %s", got, last.Kind(), want)
	}
	mustAppend(t, l, sliceBody(1, 0, 10))
	expectRecords(t, l, 3)
}

func TestForeign(t *testing.T) {
	c := newConn(t, Config{}, newServer(t, ServerConfig{}))
	newLog(t, c)
	newIntake(t, c)
	for _, id := range []Identity{{ChainID: 8, Genesis: testID.Genesis}, {ChainID: testID.ChainID}} {
		_, err := c.OpenLog(t.Context(), id)
		_, err2 := c.OpenIntake(t.Context(), id)
		if !errors.Is(err, ErrForeign) || !errors.Is(err, motet.ErrHalt) || !errors.Is(err2, ErrForeign) {
			t.Errorf("%v: %v, %v", id, err, err2)
		}
	}
}

func TestMisconfigured(t *testing.T) {
	c := newConn(t, Config{}, newServer(t, ServerConfig{}))
	l := newLog(t, c)
	cfg := l.w.stream.CachedInfo().Config
	cfg.AllowDirect = true
	if _, err := c.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := c.OpenLog(t.Context(), testID); !errors.Is(err, errStreamConfig) {
		t.Fatal(err)
	}
}

func TestTooLarge(t *testing.T) {
	l := newLog(t, newConn(t, Config{}, newServer(t, ServerConfig{})))
	if _, err := l.Append(t.Context(), sliceBody(1, 0, MaxMessage)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	big := sliceBody(1, 0, MaxBodies-200)
	size, err := EncodedSize(big)
	if err != nil || size > MaxBodies {
		t.Fatal(size, err)
	}
	big = sliceBody(1, 0, MaxBodies-200+MaxBodies-size)
	mustAppend(t, l, big)
	expectRecords(t, l, 1)
}

func TestRefill(t *testing.T) {
	l := newLog(t, newConn(t, Config{}, newServer(t, ServerConfig{})))
	mustAppend(t, l, epochBody(1))
	old := mustAppend(t, l, openBody(1))
	f := newFeed(t, l, Cursor{})
	next(t, f)
	next(t, f)
	const blocks = 30
	err := l.Refill(t.Context(), func(yield func(Body, error) bool) {
		for n := range uint64(blocks) {
			if !yield(sliceBody(n, 0, 100_000), nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tail, _ := l.Tail()
	if tail.Generation <= old.Generation || tail.Counter != old.Counter+blocks {
		t.Fatalf("tail is %s after %s", tail, old)
	}
	expectRecords(t, l, blocks)
	if _, err := f.Next(t.Context()); !errors.Is(err, ErrGeneration) {
		t.Fatalf("feed of the old log: %v", err)
	}
	if _, err := l.Read(t.Context(), old); !errors.Is(err, ErrGeneration) {
		t.Fatalf("cursor of the old log: %v", err)
	}
	mid := Cursor{Generation: tail.Generation, Counter: tail.Counter - 5}
	if r := next(t, newFeed(t, l, mid)); r.Counter != mid.Counter+1 {
		t.Fatalf("after %s comes %s", mid, r.Cursor)
	}
	expectRecords(t, newLog(t, l.conn), blocks)
}

func TestCursorOutside(t *testing.T) {
	const room = 40_000
	l := newLog(t, newConn(t, Config{MaxLogBytes: room}, newServer(t, ServerConfig{})))
	for n := range uint64(20) {
		mustAppend(t, l, sliceBody(n, 0, 5000))
	}
	tail, _ := l.Tail()
	ahead, gone := tail, tail
	ahead.Counter++
	gone.Counter = 3
	if _, err := l.Read(t.Context(), ahead); !errors.Is(err, ErrAhead) {
		t.Error(err)
	}
	if _, err := l.Read(t.Context(), gone); !errors.Is(err, ErrTrimmed) {
		t.Error(err)
	}
	first := next(t, newFeed(t, l, Cursor{}))
	if first.Counter <= gone.Counter {
		t.Fatalf("first record is %s", first.Cursor)
	}
	// A cursor just before the first record that is left is good.
	before := Cursor{Generation: tail.Generation, Counter: first.Counter - 1}
	if r := next(t, newFeed(t, l, before)); r.Cursor != first.Cursor {
		t.Fatalf("after %s comes %s", before, r.Cursor)
	}
}

// TestFeeds reads with many feeds from many places while records are appended.
func TestFeeds(t *testing.T) {
	c := newConn(t, Config{}, newServer(t, ServerConfig{}))
	l := newLog(t, c)
	const records, feeds = 300, 8
	var wg sync.WaitGroup
	start, _ := l.Tail()
	for i := range uint64(feeds) {
		wg.Go(func() {
			for {
				from := Cursor{Generation: start.Generation, Counter: i * 20}
				f, err := l.Read(t.Context(), from)
				if errors.Is(err, ErrAhead) {
					time.Sleep(time.Millisecond)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				for n := i*20 + 1; n <= records; n++ {
					if r := next(t, f); r.Counter != n {
						t.Errorf("got %s, want counter %d", r.Cursor, n)
						return
					}
				}
				return
			}
		})
	}
	for n := uint64(0); n < records; n += 3 {
		mustAppend(t, l, numbered(n+1), numbered(n+2), numbered(n+3))
	}
	wg.Wait()
}

func TestCursors(t *testing.T) {
	c := newConn(t, Config{}, newServer(t, ServerConfig{}))
	cs, err := c.OpenCursors(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cs.Load(t.Context(), "indexer"); err != nil || got != (Cursor{}) {
		t.Fatal(got, err)
	}
	want := Cursor{Generation: 1, Counter: 2}
	if err := cs.Store(t.Context(), "indexer", want); err != nil {
		t.Fatal(err)
	}
	if got, err := cs.Load(t.Context(), "indexer"); err != nil || got != want {
		t.Fatal(got, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := newServer(b, ServerConfig{})
	l := newLog(b, newConn(b, Config{}, s))
	for b.Loop() {
		mustAppend(b, l, sliceBody(1, 0, 1000))
	}
}
