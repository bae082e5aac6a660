// Package eventlog is the durable line between the parts of Motet: a log of
// records in a JetStream stream, which is the commit point of every slice and
// block, and an intake, which is the mempool's write-ahead log.
//
// The log (stream MOTET_CHAIN) has one writer at a time. Each message is
// appended on the condition that the stream's last sequence is the one the
// writer knows, so a deposed writer cannot append. Records carry a dense counter
// and the hash of the record before them; readers check both, hence a reader
// sees every record, in order, unchanged, or an error that says where the log is
// damaged. What Append acknowledged is on disk, provided that the server syncs
// each write: the embedded server always does, an external one must be run with
// sync_interval "always".
//
// A position is a [Cursor] (generation, counter), never a stream sequence: when
// a lost log is written anew from the chain store it gets a new generation.
//
// The intake (stream MOTET_INTAKE) holds accepted transactions and final fates
// until the pool has no use for them any more.
//
// The derived stream (MOTET_DERIVED) holds what can be made anew from the chain:
// the block access list of each block, cut into messages. It is bounded, no commit
// waits for it, and whoever loses it loses nothing but the time to make it again.
// A reader gets each list whole and checked against its hash, or is told which one
// it does not get.
package eventlog
