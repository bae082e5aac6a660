package sequencer

import "time"

// Bounds of the number of transactions that are taken at once. The upper one
// leaves room in a message for their digests.
const (
	minTake = 16
	maxTake = 5500
)

// pace chooses how many transactions to take, such that executing them takes
// about the target time.
type pace struct {
	target time.Duration
	perTx  float64 // seconds, a moving average; 0 until something was measured
	last   int     // transactions measured last
}

// count returns how many to take now. It at most doubles what was measured.
func (p *pace) count() int {
	if p.perTx == 0 {
		return 4 * minTake
	}
	n := p.target.Seconds() / p.perTx
	return int(max(minTake, min(n, maxTake, float64(max(2*p.last, 4*minTake)))))
}

// observe takes in that n transactions took d.
func (p *pace) observe(n int, d time.Duration) {
	if n == 0 {
		return
	}
	const weight = 0.3
	per := d.Seconds() / float64(n)
	if p.perTx == 0 {
		p.perTx = per
	} else {
		p.perTx += weight * (per - p.perTx)
	}
	p.last = n
}
