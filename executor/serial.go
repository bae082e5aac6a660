package executor

import (
	"context"
	"sync"
)

// Config sets up an executor.
type Config struct {
	// Workers is how many transactions Parallel executes at a time; 0 means
	// one for each CPU that Go uses. Serial ignores it.
	Workers int
}

// Serial runs the transactions of a block one after the other, each through
// core.ApplyMessage. It is the oracle that Parallel is compared with. Its blocks
// may overlap; each belongs to one goroutine.
type Serial struct {
	pool sync.Pool // of *txState
}

var _ Executor = (*Serial)(nil)

// NewSerial returns a serial executor.
func NewSerial(Config) *Serial {
	return &Serial{pool: sync.Pool{New: func() any { return newTxState(newMemory()) }}}
}

// Open implements Executor.
func (e *Serial) Open(ctx context.Context, env Env) (Block, error) {
	s := e.pool.Get().(*txState)
	b, err := open(env, s, func() { e.pool.Put(s) })
	if err != nil {
		return nil, err
	}
	if err := b.preExecution(ctx); err != nil {
		b.fail()
		return nil, err
	}
	return b, nil
}
