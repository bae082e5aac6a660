// Package oracletest proves executors against go-ethereum: it makes up blocks
// that hurt, runs each by geth's serial path and by an executor, and demands
// the same receipts, logs, gas, skipped transactions, views, block access list
// and state root. Blocks under Amsterdam rules also go into stock chains.
//
// A block is grown from a string of bytes, each of which decides something, so
// that the same generator serves seeded tests and Go's fuzzing. Geth executes
// every transaction as soon as it is made up; the generator looks at geth's
// state to aim at the edges: the next nonce, the last wei, the last gas.
package oracletest
