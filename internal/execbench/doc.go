// Package execbench measures executors on made-up blocks, beside geth's serial
// path in the same run.
//
// The baseline is the hardest that geth offers: core.ApplyMessage and Finalise
// with one EVM over a StateDB that holds everything the block reads already,
// messages converted beforehand, no receipts. Motet's executors know the state
// as well, as they do from block to block, and do build receipts. Signatures, roots and storage are left out on
// all sides. Engines are interleaved and medians reported; before anything is
// timed, all must agree on gas, skipped transactions and every value of the
// state after the block, and no call may fail.
//
// What would be ideal, and how a block could scale, is reckoned from the costs
// and dependencies that the serial executor reports of it.
//
// [RunAmsterdam] has geth's parallel import as a peer, which includes roots; what
// each side does there stands at [AmsterdamResult].
package execbench
