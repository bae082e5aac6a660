// Package l1bridge is everything that Motet says to L1 and hears from it.
//
// A [Client] holds the connection. An [Inbox] posts batches through it, in
// blobs or calldata, with signing ([Inbox.Prepare]) apart from sending
// ([Inbox.Send], [Inbox.Wait]), so that a batcher can persist what it signed
// before anybody sees it. A [Reader] turns L1 blocks into the values that
// derivation takes, and follows L1's head for the sequencer's origins. What it
// returns is checked against the block hash asked for, the Inbox's accumulator
// and the blobs' versioned hashes, so that a beacon API needs no trust.
//
// [StartDev] runs a development L1 in this process: a go-ethereum chain with
// blobs, a JSON-RPC endpoint and a beacon API, none of whose visible blocks is
// ever forgotten. The rest of the package treats it like any other L1.
package l1bridge
