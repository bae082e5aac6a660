// Package conformance runs the official Ethereum tests, state tests and block
// tests of ethereum/tests and execution-spec-tests, through [executor.Serial] and
// through [executor.Parallel] with several numbers of workers and schedules.
//
// What is right is what the files say: state roots, hashes of logs, roots in
// headers, and what must be refused. go-ethereum is asked only in the cases that
// it is known to decide otherwise than the files; see exceptions. In those the
// executors must do what go-ethereum does, and the case counts as skipped.
//
// An executor knows neither headers nor roots. Those are checked by geth's
// consensus engine and block validator, and computed over geth's tries from the
// changes that the executor returns.
package conformance
