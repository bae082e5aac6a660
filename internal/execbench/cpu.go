package execbench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processorTime returns the user and system time of this process so far, zero
// where the system does not tell.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

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
		tick         = 10 * time.Millisecond
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

// disturbance tells how many cores other processes use on average from its
// making to its reading.
type disturbance struct {
	start        time.Time
	machine, own time.Duration
}

func watchOthers() disturbance {
	return disturbance{start: time.Now(), machine: machineTime(), own: processorTime()}
}

func (d disturbance) cores() float64 {
	others := (machineTime() - d.machine) - (processorTime() - d.own)
	return max(0, others.Seconds()/time.Since(d.start).Seconds())
}

// quietCores is how many cores others may use before a round is repeated.
func quietCores() float64 { return 0.05 * float64(runtime.NumCPU()) }
