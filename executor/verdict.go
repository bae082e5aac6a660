package executor

import (
	"errors"

	"github.com/ethereum/go-ethereum/core"
)

// verdictOf says what becomes of a transaction that failed with err.
func verdictOf(err error) Verdict {
	switch {
	case errors.Is(err, core.ErrNonceTooHigh),
		errors.Is(err, core.ErrFeeCapTooLow),
		errors.Is(err, core.ErrBlobFeeCapTooLow):
		return Defer
	default:
		return Drop
	}
}
