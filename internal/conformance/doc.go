// Package conformance runs the official Ethereum tests, state tests and block
// tests of ethereum/tests and execution-spec-tests, through [executor.Serial] and
// through [executor.Parallel] with several numbers of workers and schedules.
//
// All forks run that geth's tests package knows, Frontier to Amsterdam. Parallel
// does not speculate before Spurious Dragon nor from Amsterdam on, so there both
// executors show that the serial path is right.
//
// What is right is what the files say: state roots, hashes of logs, roots in
// headers, and what must be refused. go-ethereum is asked only in the cases that
// it is known to decide otherwise than the files; see exception. In those the
// executors must do what go-ethereum does, and the case counts as skipped.
//
// State tests have one transaction, block tests rarely more. So all cases of a
// state test also run in one block, where they are in each other's way; there
// go-ethereum's serial path says what is right, by package oracle.
//
// An executor knows neither headers nor roots. Those are checked by geth's
// consensus engine and block validator, and computed over geth's tries from the
// changes that the executor returns. Why a transaction must be refused is not
// compared with the file, since clients word it differently; between the engines
// it is.
package conformance
