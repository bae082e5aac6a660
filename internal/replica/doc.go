// Package replica follows L1: it derives the blocks that batches stand for and
// says which part of the chain is safe and which is finalized.
//
// A block that L1 gives is compared with the chain's own. In a process that
// sequences, the chain holds it already: equal inputs and an equal hash make it
// safe, any difference is an error that wraps motet.ErrHalt. In a process that
// only follows ([Config].Build), the chain is built from L1: blocks are
// executed and must come to the hash that the batch names; a batch that does not
// is undone and derives to nothing.
//
// Safe follows L1's head and may fall back with it; finalized follows L1's
// finality. How far derivation has come is kept in a small file beside the
// chain, so that a start does not read L1 from the beginning; the file is a
// shortcut, and a missing, old or foreign one only costs time.
package replica
