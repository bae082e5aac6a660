package executor

import (
	"context"

	"github.com/motet-evm/motet/executor/predict"
)

// Config sets up an executor.
type Config struct {
	// Workers is how many transactions Parallel executes at a time; 0 means
	// one for each CPU that Go uses. Serial ignores it.
	Workers int
	// Warm keeps what blocks read for the blocks after them. With it the caller
	// promises that Env.State is the state whose root is Env.Parent.Root; he
	// should report the roots of finished blocks by Sealed.
	Warm bool
	// Schedule is when Parallel speculates. Serial ignores it.
	Schedule Schedule
	// Predict, unless it is nil, tells Parallel what transactions touch, once
	// they conflict, and what to read ahead of a slow state. Serial ignores it.
	Predict *predict.Predictor
}

// Schedule says when [Parallel] speculates. Results do not depend on it.
type Schedule uint8

const (
	// WherePays is not on short slices, not where conflicts make it useless, and
	// not with a transaction whose turn it is.
	WherePays Schedule = iota
	// Throughout is WherePays from the first transaction to the last: however little time
	// the slice may take, and where conflicts make it useless.
	Throughout
	// Always means that each transaction runs speculatively before it may commit. It is
	// for tests of what WherePays leaves to chance.
	Always
	// Backwards is Always, with later transactions executed before the ones
	// they depend on: what they read is out of date when they are to commit.
	Backwards
)

// exhaustive reports whether every transaction runs speculatively.
func (s Schedule) exhaustive() bool { return s >= Always }

// Serial runs the transactions of a block one after the other, each through
// core.ApplyMessage. It is the oracle that Parallel is compared with. Its blocks
// may overlap; each belongs to one goroutine.
type Serial struct {
	stock[*lane]
}

var _ Executor = (*Serial)(nil)

// NewSerial returns a serial executor.
func NewSerial(config Config) *Serial {
	e := &Serial{}
	e.warm = config.Warm
	e.make = func() *lane { return newLane(newMemory()) }
	return e
}

// Open implements Executor.
func (e *Serial) Open(ctx context.Context, env Env) (Block, error) {
	if err := env.validate(); err != nil {
		return nil, err
	}
	l := e.take(env)
	b := open(env, l, func() { e.giveBack(l) })
	if err := b.preExecution(); err != nil {
		b.fail()
		return nil, err
	}
	return b, nil
}
