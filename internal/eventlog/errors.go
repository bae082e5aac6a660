package eventlog

import (
	"errors"
	"fmt"

	"github.com/motet-evm/motet"
)

// ErrDeposed says that another writer took the log over: the record that stands
// where ours was to be is its Epoch.
var ErrDeposed = errors.New("deposed by another writer")

// ErrForeign marks a log that belongs to another chain. It wraps motet.ErrHalt.
var ErrForeign = fmt.Errorf("log belongs to another chain: %w", motet.ErrHalt)

// ErrGeneration says that a cursor's generation is not that of the log: the log
// was written anew since. The reader has to start at the log's first record and
// skip by block number and hash what it knows.
var ErrGeneration = errors.New("log was written anew")

// ErrTrimmed says that the log no longer holds the record after a cursor.
var ErrTrimmed = errors.New("log starts later")

// ErrAhead says that a cursor is ahead of the log's tail: the log lost records
// that the reader saw.
var ErrAhead = errors.New("cursor is ahead of the log")

// ErrTooLarge says that records do not fit one message.
var ErrTooLarge = errors.New("records exceed the size of a message")

// ErrFull says that the intake refuses transactions since it holds as many
// bytes as it may.
var ErrFull = fmt.Errorf("intake is full: %w", motet.ErrUnavailable)

// DamageError reports the place where a stored stream is not what was written.
// It wraps motet.ErrHalt.
type DamageError struct {
	Stream   string
	Sequence uint64 // of the message in the stream
	After    Cursor // the last good record before the damage
	Err      error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at message %d, after record %s: %v", e.Stream, e.Sequence, e.After, e.Err)
}

// Unwrap makes the error match motet.ErrHalt and its cause.
func (e *DamageError) Unwrap() []error { return []error{motet.ErrHalt, e.Err} }
