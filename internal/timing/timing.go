// Package timing measures how long something takes, in wall time and in processor
// time, and whether other processes kept the machine busy meanwhile.
package timing

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Measure runs f after a collection, so that f does not pay for another's waste,
// and returns the seconds it took, by the clock and of all cores.
func Measure(f func() error) (wall, cpu float64, err error) {
	return MeasureRow(1, func() (func() error, error) { return f, nil })
}

// MeasureRow is Measure for the mean of n runs in a row, each of which is prepared right
// before it; that does not count.
func MeasureRow(n int, prepare func() (func() error, error)) (wall, cpu float64, err error) {
	runtime.GC()
	for range n {
		f, err := prepare()
		if err != nil {
			return 0, 0, err
		}
		before, start := processorTime(), time.Now()
		err = f()
		wall += time.Since(start).Seconds() / float64(n)
		cpu += (processorTime() - before).Seconds() / float64(n)
		if err != nil {
			return wall, cpu, err
		}
	}
	return wall, cpu, nil
}

// Calmest runs rounds until n of them were left in peace, or at most three times
// as many, and returns the n least disturbed. A round tells how many cores other
// processes used meanwhile.
func Calmest[R any](n int, run func() (R, error), others func(R) float64) ([]R, error) {
	var rounds []R
	quiet := 0
	for range 3 * n {
		r, err := run()
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, r)
		if others(r) <= quietCores() {
			quiet++
		}
		if quiet == n {
			break
		}
	}
	slices.SortStableFunc(rounds, func(x, y R) int { return cmp.Compare(others(x), others(y)) })
	return rounds[:n], nil
}

// quietCores is how many cores others may use before a round is repeated.
func quietCores() float64 { return 0.05 * float64(runtime.NumCPU()) }

// Disturbs tells whether durations say little where others used so many cores.
func Disturbs(others float64) bool { return others > 0.1*float64(runtime.NumCPU()) }

// Others is what other processes used of the machine's cores within a span of time.
type Others struct {
	Used time.Duration // below zero if the system's ticks fell so
	Span time.Duration
}

// WatchOthers begins a span, and the function that it returns ends it.
func WatchOthers() func() Others {
	start, machine, own := time.Now(), machineTime(), processorTime()
	return func() Others {
		return Others{Used: (machineTime() - machine) - (processorTime() - own), Span: time.Since(start)}
	}
}

// Plus returns both spans as one.
func (o Others) Plus(p Others) Others {
	return Others{Used: o.Used + p.Used, Span: o.Span + p.Span}
}

// Cores returns how many cores others used on average.
func (o Others) Cores() float64 {
	if o.Span <= 0 {
		return 0
	}
	return max(0, o.Used.Seconds()/o.Span.Seconds())
}

// AtLeast is Cores for spans so short that ticks show: how many cores others used
// whatever the ticks hid. The time in user mode and that in the kernel may each be
// off by one.
func (o Others) AtLeast() float64 {
	return Others{Used: o.Used - 2*tick, Span: o.Span}.Cores()
}

// processorTime returns the user and system time of this process so far, zero
// where the system does not tell.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// tick is the unit of machineTime.
const tick = 10 * time.Millisecond

// machineTime returns the time that all cores have been busy so far, zero where
// the system does not tell.
func machineTime() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	const (
		idle, ioWait = 4, 5 // columns
		last         = 8    // of those that do not count guests twice
	)
	line, _, _ := strings.Cut(string(stat), "\n")
	var busy time.Duration
	for i, column := range strings.Fields(line) {
		if i == 0 || i == idle || i == ioWait || i > last {
			continue
		}
		ticks, err := strconv.ParseInt(column, 10, 64)
		if err != nil {
			return 0
		}
		busy += time.Duration(ticks) * tick
	}
	return busy
}
