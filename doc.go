// Package motet holds the vocabulary of a rollup sequencer whose blocks are
// plain Ethereum blocks: what a block is built from ([Open]), what execution
// leaves behind ([Outcome], [StateChanges]), where the chain stands ([Heads]),
// which chain it is ([Rollup]) and what becomes of a transaction ([Fate]).
//
// Ethereum's own nouns (transaction, receipt, header, hash) are used as
// go-ethereum defines them; a type appears here only when Ethereum has none and
// more than one package needs it. The package holds no behaviour beyond the
// rules that follow from these values alone, and depends on nothing of Motet.
//
// The line that data follows, and the package that owns each step:
//
//	api → mempool → sequencer → executor → internal/eventlog → internal/chain
//	                                                        ↘ batcher → l1bridge → internal/derive → internal/replica
//	                                                        ↘ internal/indexer
package motet
