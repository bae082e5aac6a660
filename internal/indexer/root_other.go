//go:build !linux

package indexer

import "os/exec"

// dropRoot is a way to run Postgres, which refuses to be root.
type dropRoot struct {
	name  string
	apply func(*exec.Cmd)
	own   func(paths ...string) error
}

func waysToDropRoot() []dropRoot {
	return []dropRoot{{"as this user", func(*exec.Cmd) {}, func(...string) error { return nil }}}
}

// dieWithParent: only Linux can tie a child to its parent's life. Elsewhere a
// server that outlived its parent is found by the lock file and stops the start.
func dieWithParent(*exec.Cmd) {}
