package sequencer

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/report"
)

// Config is what an operator chooses about block production.
type Config struct {
	// BlockTime is how long a block stays open; 0 seals on demand, as soon as
	// the pool is empty.
	BlockTime time.Duration
	// EmptyBlocks makes a block each BlockTime even if there is nothing to put
	// into it.
	EmptyBlocks bool
	// OriginAge is the age, in L1 time, at which an origin is renewed by an
	// empty block if there is no other block to do it; 0 never does.
	OriginAge time.Duration
	// SliceTime is how long executing a slice may take.
	SliceTime time.Duration
	// SecondOpinion executes each block again, by Deps.Opinion, before its
	// SEAL, and halts if the results differ.
	SecondOpinion bool
	// EvidenceDir is where both results are kept if they do; empty keeps them
	// in the error alone.
	EvidenceDir string
}

// DefaultConfig returns the defaults of the flags.
func DefaultConfig() Config {
	return Config{
		BlockTime: time.Second,
		OriginAge: time.Minute,
		SliceTime: 50 * time.Millisecond,
	}
}

// RegisterFlags registers a flag for what an operator may want to change, named
// prefix + field.
func (c *Config) RegisterFlags(fs *flag.FlagSet, prefix string) {
	fs.DurationVar(&c.BlockTime, prefix+"block-time", c.BlockTime, "how long a block stays open; 0 seals on demand")
	fs.BoolVar(&c.EmptyBlocks, prefix+"empty-blocks", c.EmptyBlocks, "make empty blocks too")
	fs.DurationVar(&c.SliceTime, prefix+"slice-time", c.SliceTime, "how long executing a slice may take")
	fs.BoolVar(&c.SecondOpinion, prefix+"second-opinion", c.SecondOpinion, "execute each block a second time, serially, before it is sealed")
}

// Validate reports every field that cannot work.
func (c *Config) Validate() error {
	var errs []error
	if c.BlockTime < 0 || c.BlockTime > 0 && c.BlockTime < minBlockTime {
		errs = append(errs, fmt.Errorf("sequencer: block time %v is neither 0 nor at least %v", c.BlockTime, minBlockTime))
	}
	if c.EmptyBlocks && c.BlockTime == 0 {
		errs = append(errs, errors.New("sequencer: empty blocks need a block time"))
	}
	if c.OriginAge < 0 {
		errs = append(errs, fmt.Errorf("sequencer: origin age %v is negative", c.OriginAge))
	}
	if c.SliceTime <= 0 {
		errs = append(errs, fmt.Errorf("sequencer: slice time %v is not positive", c.SliceTime))
	}
	return errors.Join(errs...)
}

const (
	// minBlockTime is the resolution of a block's timestamp.
	minBlockTime = time.Second
	// maxAhead is how far a timestamp may lie ahead of the clock, unless blocks
	// are sealed on demand.
	maxAhead = 15 * time.Second
	// maxOnDemand is how long a block that is sealed on demand stays open while
	// transactions keep coming.
	maxOnDemand = 100 * time.Millisecond
)

// Deps are the parts that a sequencer drives.
type Deps struct {
	Rollup *motet.Rollup
	// Origin is that of the genesis block.
	Origin   motet.Origin
	L1       L1Source
	Log      Log
	Chain    Chain
	Pool     Pool
	Intake   Intake
	Executor executor.Executor
	// Opinion executes each block a second time if Config.SecondOpinion is set.
	Opinion executor.Executor
	// Reports keeps how the blocks were executed; it may be nil.
	Reports    *report.History
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Now        func() time.Time      // nil is time.Now
}
