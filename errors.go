package motet

import "errors"

// ErrHalt marks an error after which the process must not go on: an invariant
// broke, or it is not known what durable storage holds. It travels up through
// every Run; the process exits with code 3 and must not be restarted blindly.
var ErrHalt = errors.New("halt")

// ErrUnavailable marks a condition that heals without the caller's doing: the
// log, L1 or a store is away. The same request may succeed later.
var ErrUnavailable = errors.New("unavailable")
