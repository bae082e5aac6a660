// Package e2e uses the real binary as a newcomer does: with cast, curl and a
// stock geth. It proves that the whole line works on real parts (NATS, Postgres,
// the embedded L1 and anvil), that L1 alone gives the identical chain, and that
// an unmodified geth accepts every block.
//
// Run it with `make e2e`. It needs cast and anvil (npm, see test/install.sh) and
// a Postgres installation.
package e2e
