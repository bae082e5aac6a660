package telemetry

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestOutage: it begins with the first failure, keeps the last reason, and ends
// once.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Outage
		if _, ended := o.End(); ended {
			t.Error("none ends")
		}
		begin := time.Now()
		if !o.Fail(errors.New("refused")) {
			t.Error("the first failure does not begin it")
		}
		time.Sleep(3 * time.Second)
		if o.Fail(errors.New("starting\n\tup")) {
			t.Error("the second failure begins it")
		}
		if reason, since := o.State(); reason != "starting; up" || !since.Equal(begin) {
			t.Error(reason, since)
		}
		if lasted, ended := o.End(); !ended || lasted != 3*time.Second {
			t.Error(lasted, ended)
		}
		if reason, since := o.State(); reason != "" || !since.IsZero() {
			t.Error(reason, since)
		}
	})
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"a":                          "a",
		"a\nb\na\n":                  "a; b",
		"connect:\n\tv4\n\tv6\n":     "connect: v4; v6",
		"connect:\n\tsame\n\tsame":   "connect: same",
		"x: connect:\n\ty\nx: y\n\n": "x: connect: y; x: y",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
