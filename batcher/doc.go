// Package batcher gets the sealed chain onto L1: it cuts the block sequence into
// batches and posts each one to the Inbox, in order, once.
//
// Before a block may enter a batch it is executed again by a second opinion
// ([Deps].Check); if that gives anything else, the process halts.
//
// A batch goes through states, each of which is on disk before the next effect
// takes place: pending, encoded, signed, broadcast, mined, safe. That file only
// spares work. What was posted is L1's to say: after a start the batcher reads
// the Inbox, waits until derivation has come as far, and goes on where
// derivation says that the next batch must start. The Inbox accepts a batch only
// as the successor of the one that its sender saw last, so whatever is sent
// twice counts once.
//
// A batch is posted when it is full, or when the oldest block waits longer than
// it may. One batch is under way at a time.
package batcher
