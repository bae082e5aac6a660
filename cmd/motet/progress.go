package main

import (
	"fmt"
	"io"
	"time"
)

// progressEvery is the least time between two lines of progress.
const progressEvery = 5 * time.Second

// progress tells how far a long command is, in a line now and then. A command that
// is done sooner has none.
type progress struct {
	w    io.Writer
	last time.Time
}

func newProgress(w io.Writer) *progress { return &progress{w: w, last: time.Now()} }

// step notes that the command got on, and prints how far if it is time to.
func (p *progress) step(format string, args ...any) {
	if now := time.Now(); now.Sub(p.last) >= progressEvery {
		p.last = now
		fmt.Fprintf(p.w, format+"\n", args...)
	}
}
