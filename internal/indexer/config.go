package indexer

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says where the index is.
type Config struct {
	// URL is a Postgres connection string.
	URL string
	// RetryMin and RetryMax bound the pause before Postgres is tried again.
	RetryMin time.Duration
	RetryMax time.Duration
	// StatementTimeout bounds one statement, so that a server that hangs is
	// noticed.
	StatementTimeout time.Duration
}

// DefaultConfig returns the defaults of the flags.
func DefaultConfig() Config {
	return Config{RetryMin: 100 * time.Millisecond, RetryMax: 5 * time.Second, StatementTimeout: 30 * time.Second}
}

// RegisterFlags registers a flag for every field, named prefix + field.
func (c *Config) RegisterFlags(fs *flag.FlagSet, prefix string) {
	fs.StringVar(&c.URL, prefix+"url", c.URL, "Postgres connection string of the index")
	fs.DurationVar(&c.RetryMin, prefix+"retry-min", c.RetryMin, "shortest pause before Postgres is tried again")
	fs.DurationVar(&c.RetryMax, prefix+"retry-max", c.RetryMax, "longest pause before Postgres is tried again")
	fs.DurationVar(&c.StatementTimeout, prefix+"statement-timeout", c.StatementTimeout, "longest time that one SQL statement may take")
}

// Validate reports every field that cannot work.
func (c *Config) Validate() error {
	var errs []error
	if _, err := pgx.ParseConfig(c.URL); err != nil || c.URL == "" {
		// The parser's error could quote the password.
		errs = append(errs, errors.New("index URL is not a Postgres connection string"))
	}
	if c.RetryMin <= 0 || c.RetryMax < c.RetryMin {
		errs = append(errs, fmt.Errorf("index retry pauses must be positive and rising, are %v and %v", c.RetryMin, c.RetryMax))
	}
	if c.StatementTimeout <= 0 {
		errs = append(errs, fmt.Errorf("index statement timeout must be positive, is %v", c.StatementTimeout))
	}
	return errors.Join(errs...)
}
