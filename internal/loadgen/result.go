package loadgen

import (
	"slices"
	"time"
)

// Latency is a distribution, in seconds.
type Latency struct {
	P50  float64 `json:"p50_s"`
	P90  float64 `json:"p90_s"`
	P99  float64 `json:"p99_s"`
	P999 float64 `json:"p999_s"`
}

// latencyOf returns the nearest-rank percentiles of ds.
func latencyOf(ds []time.Duration) Latency {
	if len(ds) == 0 {
		return Latency{}
	}
	slices.Sort(ds)
	at := func(permille int) float64 {
		return ds[max(0, (len(ds)*permille+999)/1000-1)].Seconds()
	}
	return Latency{P50: at(500), P90: at(900), P99: at(990), P999: at(999)}
}

// fill computes the figures from the times of the jobs.
func (r *Result) fill(jobs []job, start time.Time, preconfirms bool) {
	var accepted, preconfirmed, sealed []time.Duration
	var lastAccepted, lastSealed time.Time
	for i := range jobs {
		j := &jobs[i]
		if j.refusal != nil {
			if r.Refused++; r.FirstRefusal == "" {
				r.FirstRefusal = j.refusal.Error()
			}
			continue
		}
		accepted = append(accepted, j.accepted.Sub(j.due))
		lastAccepted = later(lastAccepted, j.accepted)
		if !j.preconfirmed.IsZero() {
			preconfirmed = append(preconfirmed, j.preconfirmed.Sub(j.due))
		}
		if !j.sealed.IsZero() {
			sealed = append(sealed, j.sealed.Sub(j.due))
			lastSealed = later(lastSealed, j.sealed)
		}
	}
	r.Accepted, r.Included = len(accepted), len(sealed)
	r.Missing = max(0, r.Accepted-r.Stranded-r.Included)
	r.AcceptedPerSec = perSecond(len(accepted), lastAccepted.Sub(start))
	r.IncludedPerSec = perSecond(len(sealed), lastSealed.Sub(start))
	r.ToAccepted, r.ToSealed = latencyOf(accepted), latencyOf(sealed)
	if preconfirms {
		l := latencyOf(preconfirmed)
		r.ToPreconfirmed = &l
	}
}

// count returns how many jobs were accepted, and how many of these wait behind a
// nonce that was refused, so that no block can hold them. Senders take turns in
// jobs.
func count(jobs []job, senders int) (accepted, stranded int) {
	gap := make([]bool, senders)
	for i := range jobs {
		switch s := i % senders; {
		case jobs[i].accepted.IsZero():
			gap[s] = true
		case gap[s]:
			stranded++
			fallthrough
		default:
			accepted++
		}
	}
	return accepted, stranded
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
