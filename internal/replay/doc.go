// Package replay executes recorded blocks of a real chain, each with the part
// of the state that it reads, by geth's serial path and by Motet's executors,
// and checks every result against the block's header and against the others.
//
// The recorded state is partial, so a state root cannot be checked. What can be
// is checked: gas used and bloom of the header, its receipts root from
// Byzantium on, and every value that any of the executions changed. Rewards of
// proof-of-work blocks are no part of execution here.
package replay
