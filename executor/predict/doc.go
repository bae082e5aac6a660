// Package predict tells, before a transaction runs, which storage slots it will
// touch. A prediction is a hint: the executor schedules and prefetches by it, and
// its results do not depend on it.
//
// Predictions come from three [Sources]. An access list (EIP-2930) says it
// outright. Static analysis follows the paths of a call through the bytecode on
// symbolic words (what the call holds, keccaks of it, constants); if every access
// on every path that succeeds is at such a slot, and no other contract is called,
// then the answer is certain: nothing else is touched. Learning takes a sample of
// committed transactions ([Predictor.Observe]) and looks for the same kind of
// explanation: slots of mappings with words of the call as keys. What it cannot
// explain it watches for the features that all calls that touch it share: two
// swaps of the same two tokens meet in the same pool, wherever that is. Such
// locations have a [Key] for scheduling but no slot.
//
// What is found out is kept as a template for each code and selector, in a bounded
// cache without locks. A template is published whole and never changed. Keys are
// computed by hashing the words that a slot is made of, in place of the keccaks.
//
// All of it is scored against what was touched, and a template that is not worth
// it is switched off for a while, each time longer. Analysis spends on a code no
// more steps than its size allows, so that deploying costs more than analysing.
package predict
