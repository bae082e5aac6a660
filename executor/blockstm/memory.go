package blockstm

import "sync/atomic"

// Version is what one task does to one cell. Write is the task's own
// contribution and is immutable from Publish on; Value is the cell's whole value
// after the task and is immutable from Commit on. A version may be allocated in
// an [Arena] and must not move.
type Version[W, V any] struct {
	Value V

	// Task is the position of the task in the stream.
	Task int

	older     atomic.Pointer[Version[W, V]]
	withdrawn atomic.Bool

	Write W
}

// Older returns the next older live version that Below would have returned, or
// nil at the committed ones.
func (v *Version[W, V]) Older(committed int) *Version[W, V] {
	return live(v.older.Load(), committed)
}

// Withdraw takes a published version back: the execution that wrote it did not
// hold.
func (v *Version[W, V]) Withdraw() { v.withdrawn.Store(true) }

// Cell is one location of the versioned memory. Its committed value is exact;
// above it stand the versions of tasks that have executed but not committed.
//
// Only the holder of the frontier commits. All other methods may be called by
// any worker. Versions are never unlinked while workers run, so that a reader
// can follow the list without a lock; Reset must follow before an arena that
// holds them is reused.
type Cell[W, V any] struct {
	committed atomic.Pointer[Version[W, V]]
	newest    atomic.Pointer[Version[W, V]]
	reader    atomic.Uint64
}

// Committed returns the version that holds the committed value, nil if the cell
// was never loaded.
func (c *Cell[W, V]) Committed() *Version[W, V] { return c.committed.Load() }

// Load sets the value that the cell has before all tasks and reports whether it
// did; another worker may have been faster.
func (c *Cell[W, V]) Load(v *Version[W, V]) bool { return c.committed.CompareAndSwap(nil, v) }

// Commit makes v.Value the committed value.
func (c *Cell[W, V]) Commit(v *Version[W, V]) { c.committed.Store(v) }

// Reset forgets everything.
func (c *Cell[W, V]) Reset() {
	c.committed.Store(nil)
	c.newest.Store(nil)
}

// Read notes that a task reads the cell, by a number that grows with the task and from
// run to run; 0 is nobody's. Where it is called before the look at the versions,
// whoever publishes one either is seen or sees the reader.
func (c *Cell[W, V]) Read(reader uint64) {
	for last := c.reader.Load(); last < reader; last = c.reader.Load() {
		if c.reader.CompareAndSwap(last, reader) {
			return
		}
	}
}

// Reader returns the highest number that was noted.
func (c *Cell[W, V]) Reader() uint64 { return c.reader.Load() }

// Publish inserts v, newest task first, before a version of the same task.
func (c *Cell[W, V]) Publish(v *Version[W, V]) {
	for {
		at := &c.newest
		next := at.Load()
		for next != nil && next.Task > v.Task {
			at = &next.older
			next = at.Load()
		}
		v.older.Store(next)
		if at.CompareAndSwap(next, v) {
			return
		}
	}
}

// Below returns the newest live version of a task before task and after
// committed, the task whose value the caller found committed. A nil means that
// the committed value is the best guess.
func (c *Cell[W, V]) Below(task, committed int) *Version[W, V] {
	v := c.newest.Load()
	for v != nil && v.Task >= task {
		v = v.older.Load()
	}
	return live(v, committed)
}

func live[W, V any](v *Version[W, V], committed int) *Version[W, V] {
	for v != nil && v.Task > committed {
		if !v.withdrawn.Load() {
			return v
		}
		v = v.older.Load()
	}
	return nil
}

const arenaChunk = 256

// Arena hands out versions by the chunk and takes them all back at once. It is
// not safe for concurrent use: each worker has its own.
type Arena[W, V any] struct {
	chunks [][]Version[W, V]
	chunk  int
	next   int
}

// New returns a version of task.
func (a *Arena[W, V]) New(task int) *Version[W, V] {
	if a.next == arenaChunk {
		a.chunk++
		a.next = 0
	}
	if a.chunk == len(a.chunks) {
		a.chunks = append(a.chunks, make([]Version[W, V], arenaChunk))
	}
	v := &a.chunks[a.chunk][a.next]
	a.next++
	*v = Version[W, V]{Task: task} // nobody else knows v, so nothing here needs to be atomic
	return v
}

// Reset takes all versions back. No cell may refer to one any more.
func (a *Arena[W, V]) Reset() { a.chunk, a.next = 0, 0 }
