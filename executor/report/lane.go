package report

import "time"

// Kind is what a lap of a lane says.
type Kind uint8

const (
	// Tick means: the time before is accounted for; what follows is work.
	Tick Kind = iota
	// Idle means: what follows until the next tick is not work.
	Idle
	// Paused means: an execution is interrupted. What ends before Resumed was executed
	// meanwhile; what is left until the first such lap is not work.
	Paused
	// Resumed means: the execution that paused last goes on.
	Resumed
	// Speculated means: an execution on a guess ended.
	Speculated
	// Settled means: an execution on committed values ended.
	Settled
)

// Lap is an entry of a lane. Each ends the time since the last one that has a
// time itself.
type Lap struct {
	// At is when, in nanoseconds since the block was opened; 0 for executions
	// that share the time until the next lap with those around them.
	At   int64
	Task int32  // the first transaction, by its place in the stream
	Many uint16 // transactions from there on
	Kind Kind
}

// Lane is what one worker notes down. It belongs to one goroutine at a time; a
// line of the cache keeps it from its neighbours.
type Lane struct {
	laps    []Lap
	pending int // executions without a time
	start   time.Time
	_       [64]byte
}

const (
	// maxPending is how many executions may share a measured time.
	maxPending = 64
	maxRun     = 1 << 15
)

// Reset empties the lane. Times count from start.
func (l *Lane) Reset(start time.Time) {
	l.laps, l.pending, l.start = l.laps[:0], 0, start
}

func (l *Lane) now() int64 { return max(1, int64(time.Since(l.start))) }

// Begin notes that the worker takes up transactions. Between short ones the
// clock is not read each time.
func (l *Lane) Begin() {
	if l.pending == 0 || l.pending >= maxPending {
		l.Mark(Tick)
	}
}

// Mark notes the time.
func (l *Lane) Mark(kind Kind) {
	l.pending = 0
	l.laps = append(l.laps, Lap{At: l.now(), Kind: kind})
}

// Rest notes that the worker has nothing to do.
func (l *Lane) Rest() {
	if n := len(l.laps); n > 0 && l.laps[n-1].Kind != Idle {
		l.Mark(Idle)
	}
}

// Ran notes that an execution ended. For a short one the clock is not read: a
// plain transfer takes little longer than that.
func (l *Lane) Ran(task int, kind Kind, short bool) {
	if !short {
		l.pending = 0
		l.laps = append(l.laps, Lap{At: l.now(), Task: int32(task), Many: 1, Kind: kind}) //nolint:gosec // places in a stream are small
		return
	}
	l.pending++
	if n := len(l.laps); n > 0 {
		last := &l.laps[n-1]
		if last.At == 0 && last.Kind == kind && int(last.Task)+int(last.Many) == task && last.Many < maxRun {
			last.Many++
			return
		}
	}
	l.laps = append(l.laps, Lap{Task: int32(task), Many: 1, Kind: kind}) //nolint:gosec // places in a stream are small
}

// Laps returns a copy of what was noted down.
func (l *Lane) Laps() []Lap { return append(make([]Lap, 0, len(l.laps)), l.laps...) }
