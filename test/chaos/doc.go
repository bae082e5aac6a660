// Package chaos kills the real binary under load and checks that nothing that
// was answered is lost and nothing that was shown changes: invariants I1, I2, I7
// and I9 of docs/INVARIANTS.md.
//
// Run it with `make chaos`. MOTET_CHAOS_ROUNDS sets the number of kills.
package chaos
