// Package mempool checks, orders and hands out transactions, and remembers the
// fate of each.
//
// [Pool.Add] answers nil only after the transaction is durable in the [Intake];
// from then on the pool owes it a fate: inclusion, told by [Pool.Settle], or one
// of the final states of [motet.State], which is appended to the Intake before
// [Pool.Fate] reports it. A restart rebuilds the pool from the Intake
// ([Pool.Restore], [Pool.RestoreFate]) and owes the same.
//
// Admission follows go-ethereum's transaction pool, error texts included, since
// clients match them. What is stricter here:
//
//   - the costs of all pooled transactions of a sender, gapped ones included,
//     stay within its balance;
//   - transactions behind a nonce gap live in a small queue of their own, for a
//     limited time, and can never push out executable ones;
//   - what is evicted always pays less than what it made room for, counted by
//     the cheapest transaction that has to run before it.
//
// A pool reads the state of the open block through the view that Settle and
// Reset bring. It holds one lock, never while it recovers signatures and never
// while the Intake writes.
package mempool
