// Package derive turns what lies on L1 into block inputs. It is pure: no clock,
// no disk, no socket. Whoever is given the same L1 blocks derives the same L2
// blocks.
//
// A [State] says how far derivation has come. Every L1 block extends it
// ([State.Extend]); every batch in that block is applied to it ([State.Apply]).
// A batch is valid as a whole or derives to nothing: an invalid one leaves the
// State as it was. Part of validity can only be judged by executing: every
// transaction must be valid and the last block must have the hash that the batch
// names. A caller that finds a batch wanting in this drops the State that Apply
// returned and goes on with the one before.
//
// A batch starts where the last valid one ended, or anew with the block after
// the last complete one, in which case the beginning of a block that was never
// completed is forgotten. So a bad beginning cannot keep its correction out.
//
// States are values: keeping an old one is enough to go back to it.
package derive
