// Package mutationtest shows what the executor's tests are worth: it breaks the
// scheduler and the state in one place at a time, and the tests must see it.
package mutationtest
