package eventlog

import (
	"testing"
	"time"
)

const testWait = 10 * time.Second

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

func TestIntakeRoundTrip(t *testing.T) {
	s := newServer(t, ServerConfig{})
	in := newIntake(t, newConn(t, Config{}, s))
	first, err := in.AppendTxs(t.Context(), [][]byte{{1}, {2, 2}})
	if err != nil || first != 1 {
		t.Fatal(first, err)
	}
	first, err = in.AppendTxs(t.Context(), [][]byte{{3}})
	if err != nil || first != 3 {
		t.Fatal(first, err)
	}
}
func BenchmarkAppend(b *testing.B) {
	s := newServer(b, ServerConfig{})
	l := newLog(b, newConn(b, Config{}, s))
	for b.Loop() {
		mustAppend(b, l, sliceBody(1, 0, 1000))
	}
}
