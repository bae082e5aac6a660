package oracletest

import (
	"encoding/binary"
	"math/rand/v2"
)

// choices hands out the decisions that a string of bytes holds. When the bytes
// are used up every choice is the first one.
type choices struct{ rest []byte }

// seeded returns n bytes of choices.
func seeded(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	out := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(out) // never fails
	return out
}

// done reports whether all choices are made.
func (c *choices) done() bool { return len(c.rest) == 0 }

func (c *choices) byte() byte {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// n returns a choice out of n, at most 256.
func (c *choices) n(n int) int { return int(c.byte()) % n }

// one returns true once in n times.
func (c *choices) one(n int) bool { return c.n(n) == n-1 }

// pick returns one of list.
func pick[T any](c *choices, list []T) T { return list[c.n(len(list))] }

// take returns up to n of the bytes themselves.
func (c *choices) take(n int) []byte {
	n = min(n, len(c.rest))
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	return out
}
