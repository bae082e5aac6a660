// Package predict tells, before a transaction runs, which storage slots it will
// touch. A prediction is a hint: the executor schedules and prefetches by it, and
// its result does not depend on it.
package predict
