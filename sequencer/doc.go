// Package sequencer turns transactions into slices and sealed blocks. It is the
// only writer of the log.
//
// A block passes through four steps, each of which works on what the step before
// it left:
//
//   - open: everything that its receipts depend on is fixed ([motet.Open]);
//   - slices: transactions are executed on top of the block so far;
//   - close: the block is finished and its roots are computed;
//   - commit: the chain store takes it.
//
// What a step produces is appended to the log (OPEN and SLICE, SLICE, SEAL)
// before anything outside sees it, and what the log holds is applied through the
// very functions that recovery applies it through. So a process that died
// between any two steps loses nothing but work: [Sequencer.Recover] reads the
// log from the chain store's head on, executes the same transactions under the
// same Open, compares the digests, and goes on in the block that it finds open.
//
// # What holds
//
//   - A transaction is preconfirmed (seen by [Sequencer.Pending], by a subscriber,
//     by the pool as included) only when the log holds its slice.
//   - A block is canonical only when the log holds its SEAL.
//   - While the log cannot be reached nothing new is opened, executed or sealed
//     beyond one slice; the same append is repeated until it is answered.
//   - An error that wraps motet.ErrHalt ends Run and Recover: the log, the chain
//     store and execution disagree, or it is not known what the log holds.
//
// One goroutine, that of Recover and then of Run, owns the open block. The
// snapshots it publishes do not change any more.
package sequencer
