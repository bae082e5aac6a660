// Package chain owns the chain store: an unmodified go-ethereum node embedded
// in the process, without peer-to-peer network and without listeners. It is the
// only package that touches that node.
//
// A block enters in two steps. [Chain.Seal] turns what execution left behind
// into a block: it applies the changed values to the tries and computes the
// roots, and nothing of it can be seen from outside. [Chain.Commit] makes the
// block durable and then canonical. From then on geth's own JSON-RPC
// ([Chain.APIs]) answers for it, without having executed it.
//
// # What holds
//
//   - One writer: Seal, Commit, Label, Rollback and Import exclude one another.
//     Readers never wait for them.
//   - When Commit has returned, a crash does not lose the block. The tries reach
//     the disk later (the flush); [Open] executes the canonical blocks above
//     the last flushed state again, through [Deps].Execute.
//   - geth moves finalized blocks into its freezer, and a node whose state lies
//     below the freezer's end deletes blocks at its next start. So what geth is
//     told to be final never passes a state that is known to be on disk,
//     whatever Label was told.
//   - A subscriber that does not read loses messages, and is told so. It never
//     delays a commit.
//   - geth's writes end the process when they fail (log.Crit), so block
//     production must stop before the disk is full: ask [Chain.Healthy].
package chain
