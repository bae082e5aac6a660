package telemetry

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Outage is what keeps a part from its work: attempts that fail one after the
// other are one outage, whatever each of them says. The zero value is none.
type Outage struct {
	mu     sync.Mutex
	reason string
	since  time.Time
}

// Fail notes a failed attempt. It reports whether the outage begins with it, which
// is when to log.
func (o *Outage) Fail(err error) (begins bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reason = OneLine(err.Error())
	if !o.since.IsZero() {
		return false
	}
	o.since = time.Now()
	return true
}

// End notes a success. It reports whether that ends an outage, and how long it was.
func (o *Outage) End() (lasted time.Duration, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return 0, false
	}
	lasted = time.Since(o.since)
	o.reason, o.since = "", time.Time{}
	return lasted, true
}

// Note is Fail or End, as err says.
func (o *Outage) Note(err error) {
	if err != nil {
		o.Fail(err)
	} else {
		o.End()
	}
}

// State returns why the last attempt failed, in one line, and when the first one
// did; "" while all is well.
func (o *Outage) State() (reason string, since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reason, o.since
}

// OneLine joins the lines of an error's text, each of them once; joined errors and
// those of Postgres have several.
func OneLine(text string) string {
	var lines, seen []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || slices.Contains(seen, line) {
			continue
		}
		seen = append(seen, line)
		if last := len(lines) - 1; last >= 0 && strings.HasSuffix(lines[last], ":") {
			lines[last] += " " + line
		} else {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
