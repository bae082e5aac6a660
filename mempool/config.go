package mempool

import (
	"errors"
	"flag"
	"fmt"
	"math/big"
	"time"
)

// Policy orders the transactions of different senders.
type Policy string

const (
	// PolicyTip hands out by effective tip, then arrival.
	PolicyTip Policy = "tip"
	// PolicyFCFS hands out by arrival alone.
	PolicyFCFS Policy = "fcfs"
)

// maxTxSize is the largest encoded transaction, as in go-ethereum.
const maxTxSize = 128 << 10

// Config sizes a pool.
type Config struct {
	Policy Policy
	// MinTip is the least tip cap admitted at start, in wei.
	MinTip uint64
	// PriceBump is what a replacement must add to both fee caps, in percent.
	PriceBump uint64
	// AccountSlots and AccountQueue limit one sender's executable and gapped
	// transactions.
	AccountSlots int
	AccountQueue int
	// GlobalSlots and GlobalBytes limit the whole pool, GlobalQueue the gapped
	// part of it.
	GlobalSlots int
	GlobalBytes int
	GlobalQueue int
	// GapLife is how long a transaction waits for an earlier nonce.
	GapLife time.Duration
	// AllowUnprotected admits transactions without a chain id.
	AllowUnprotected bool
	// FateMemory is how many fates are remembered: so many inclusions and so
	// many others.
	FateMemory int
	// IntakeSpan is how far the oldest live transaction may lie behind the
	// newest in the Intake, in transactions, before it is appended anew so that
	// the Intake can forget what lies between.
	IntakeSpan uint64
}

// DefaultConfig returns the defaults of the flags.
func DefaultConfig() Config {
	return Config{
		Policy:       PolicyTip,
		PriceBump:    10,
		AccountSlots: 64,
		AccountQueue: 64,
		GlobalSlots:  200_000,
		GlobalBytes:  1 << 30,
		GlobalQueue:  20_000,
		GapLife:      30 * time.Second,
		FateMemory:   1 << 18,
		IntakeSpan:   1 << 20,
	}
}

// RegisterFlags registers a flag for every field, named prefix + field.
func (c *Config) RegisterFlags(fs *flag.FlagSet, prefix string) {
	fs.TextVar(&c.Policy, prefix+"policy", c.Policy, "order of transactions of different senders: tip or fcfs")
	fs.Uint64Var(&c.MinTip, prefix+"min-tip", c.MinTip, "least priority fee admitted, wei per gas")
	fs.Uint64Var(&c.PriceBump, prefix+"price-bump", c.PriceBump, "what a replacement must pay more, percent")
	fs.IntVar(&c.AccountSlots, prefix+"account-slots", c.AccountSlots, "executable transactions per sender")
	fs.IntVar(&c.AccountQueue, prefix+"account-queue", c.AccountQueue, "transactions behind a nonce gap per sender")
	fs.IntVar(&c.GlobalSlots, prefix+"global-slots", c.GlobalSlots, "transactions in the pool")
	fs.IntVar(&c.GlobalBytes, prefix+"global-bytes", c.GlobalBytes, "bytes of transactions in the pool")
	fs.IntVar(&c.GlobalQueue, prefix+"global-queue", c.GlobalQueue, "transactions behind a nonce gap in the pool")
	fs.DurationVar(&c.GapLife, prefix+"gap-life", c.GapLife, "how long a transaction waits for an earlier nonce")
	fs.BoolVar(&c.AllowUnprotected, prefix+"allow-unprotected", c.AllowUnprotected, "admit transactions without a chain id")
	fs.IntVar(&c.FateMemory, prefix+"fate-memory", c.FateMemory, "fates of transactions kept in memory")
	fs.Uint64Var(&c.IntakeSpan, prefix+"intake-span", c.IntakeSpan, "transactions that the oldest pooled one may hold back in the intake")
}

// Validate reports every field that cannot work.
func (c *Config) Validate() error {
	errs := []error{c.Policy.validate()}
	positive := func(name string, n int) {
		if n <= 0 {
			errs = append(errs, fmt.Errorf("mempool %s must be positive, is %d", name, n))
		}
	}
	positive("account slots", c.AccountSlots)
	positive("account queue", c.AccountQueue)
	positive("global slots", c.GlobalSlots)
	positive("global bytes", c.GlobalBytes)
	positive("global queue", c.GlobalQueue)
	positive("fate memory", c.FateMemory)
	if c.GapLife <= 0 {
		errs = append(errs, fmt.Errorf("mempool gap life must be positive, is %v", c.GapLife))
	}
	if c.IntakeSpan == 0 {
		errs = append(errs, errors.New("mempool intake span must be positive"))
	}
	if c.PriceBump == 0 || c.PriceBump > 1000 {
		errs = append(errs, fmt.Errorf("mempool price bump must be 1 to 1000 percent, is %d", c.PriceBump))
	}
	return errors.Join(errs...)
}

// MarshalText implements encoding.TextMarshaler.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Only the two policies are
// taken.
func (p *Policy) UnmarshalText(text []byte) error {
	*p = Policy(text)
	return p.validate()
}

func (p Policy) validate() error {
	switch p {
	case PolicyTip, PolicyFCFS:
		return nil
	default:
		return fmt.Errorf("mempool policy %q is neither %q nor %q", string(p), string(PolicyTip), string(PolicyFCFS))
	}
}

// saturate returns x, or the largest uint64 if x is larger. Fees beyond 18 ETH
// per gas are equal for ordering.
func saturate(x *big.Int) uint64 {
	if !x.IsUint64() {
		return ^uint64(0)
	}
	return x.Uint64()
}
