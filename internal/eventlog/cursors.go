package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// Cursors keeps named positions of consumers that have no store of their own to
// keep them in. A consumer that has one keeps its cursor there, with the effect
// that it stands for.
type Cursors struct {
	kv jetstream.KeyValue
}

// OpenCursors opens the chain's bucket of cursors, creating it if there is none.
func (c *Conn) OpenCursors(ctx context.Context, id Identity) (*Cursors, error) {
	kv, err := c.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket:   "MOTET_CURSORS_" + strconv.FormatUint(id.ChainID, 10),
		Storage:  jetstream.FileStorage,
		Replicas: c.cfg.Replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("open cursors: %w", unavailable(err))
	}
	return &Cursors{kv: kv}, nil
}

// Load returns the cursor with the given name, the zero Cursor if there is none.
func (c *Cursors) Load(ctx context.Context, name string) (Cursor, error) {
	entry, err := c.kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Cursor{}, nil
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("load cursor %s: %w", name, unavailable(err))
	}
	return ParseCursor(string(entry.Value()))
}

// Store keeps a cursor under the given name. The effect that it stands for must
// be durable already.
func (c *Cursors) Store(ctx context.Context, name string, at Cursor) error {
	if _, err := c.kv.PutString(ctx, name, at.String()); err != nil {
		return fmt.Errorf("store cursor %s: %w", name, unavailable(err))
	}
	return nil
}
