// Package oracle is go-ethereum's own serial path behind Motet's vocabulary: it
// runs a block with core.ApplyMessage and Finalise over geth's state.StateDB,
// and compares what two executions of a block left behind.
//
// It shares no code with Motet's executors, so agreement between the two means
// something. It promises nothing about speed beyond being what geth does.
package oracle
