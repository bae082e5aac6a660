// Package report tells how a block was executed: which worker ran which
// transaction when, which executions were lost and to what, which transactions
// had to wait for which others, and how fast the block could have been at best.
//
// An executor notes down as little as it can while it works: one [Lane] for each
// worker, and a [Block] of plain values when the block is finished. All that takes
// time is computed from these afterwards: the figures that are counted as metrics
// when a report is kept ([History]), the rest when somebody asks ([Block.View]).
//
// A dependency is a read of something that an earlier transaction of the same
// block wrote, by the executions that were committed in the end. What a
// transaction only compares (that its sender can pay, and which nonce comes next)
// depends on nobody, and neither does a credit to an account.
package report
