package blockstm

import (
	"math"
	"slices"
	"sync/atomic"
)

// followers holds, for each task in the window, those that are to be executed
// after it. A place of the window is open from the claim of its task until the
// task has been executed, so whoever adds to it knows that its worker will look.
// Claims are in order: a task that is claimed finds all earlier ones claimed.
type followers struct {
	first []atomic.Uint64 // by leader: the leader's number, the last follower's plus one
	next  []uint32        // by follower: the one before it, plus one
}

// closed in the place of a follower says that the leader has been executed.
const closed = math.MaxUint32

func newFollowers(window int) *followers {
	f := &followers{first: make([]atomic.Uint64, window), next: make([]uint32, window)}
	for i := range f.first {
		f.first[i].Store(pack(-1, closed)) // nobody's
	}
	return f
}

func pack(leader int, follower uint32) uint64 { return uint64(uint32(leader))<<32 | uint64(follower) } //nolint:gosec // a run has fewer tasks

func leaderOf(v uint64) int { return int(int32(v >> 32)) } //nolint:gosec // as pack made it

func (f *followers) place(task int) int { return task % len(f.first) }

// open makes room for the followers of a task that was claimed, unless one of them
// has been faster.
func (f *followers) open(task int) {
	at := &f.first[f.place(task)]
	for v := at.Load(); leaderOf(v) < task && !at.CompareAndSwap(v, pack(task, 0)); {
		v = at.Load()
	}
}

// add lets task follow leader, unless that has been executed. Both are claimed.
func (f *followers) add(leader, task int) bool {
	at := &f.first[f.place(leader)]
	for {
		v := at.Load()
		first := uint32(v) //nolint:gosec // the lower half
		switch is := leaderOf(v); {
		case is < leader:
			first = 0 // its worker has not come to open it
		case is > leader || first == closed:
			return false
		}
		f.next[f.place(task)] = first
		if at.CompareAndSwap(v, pack(leader, uint32(task)+1)) { //nolint:gosec // as in pack
			return true
		}
	}
}

// release closes the place of a task that was executed and puts its followers
// into the queue, which is in descending order.
func (f *followers) release(queue []int, task int) []int {
	v := uint32(f.first[f.place(task)].Swap(pack(task, closed))) //nolint:gosec // the lower half
	if v == 0 || v == closed {
		return queue
	}
	for v != 0 {
		follower := int(v) - 1
		v = f.next[f.place(follower)]
		queue = append(queue, follower)
	}
	slices.SortFunc(queue, func(a, b int) int { return b - a })
	return queue
}
