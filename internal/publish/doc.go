// Package publish puts what is made from the chain where others read it: the block
// access list (EIP-7928) of every block, on the derived stream.
//
// It follows the chain and never holds it up: nothing waits for a list, and while
// NATS is away or slow the publisher waits, and holds nothing meanwhile but the
// number of the block that is next. It goes on from what the stream ends with, so a
// restart leaves neither duplicates nor gaps, and goes back to the fork when the
// chain was rolled back: readers tell blocks by their hashes.
//
// A list that the execution of its block left behind costs nothing but encoding. An
// older one is made by executing the block again, serially; if its state is not kept
// any more, the stream has a gap there, which is logged and counted.
//
// It assumes that it is the only publisher of its chain.
package publish
