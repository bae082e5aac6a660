package chain

import (
	"fmt"

	"github.com/motet-evm/motet"
)

// Healthy reports whether blocks may be produced. The error wraps
// motet.ErrUnavailable: it heals when somebody frees disk space. It must be
// asked before transactions are accepted and before a block is opened, since
// geth ends the process when a write fails.
func (c *Chain) Healthy() error {
	free, err := freeBytes(c.conf.DataDir)
	if err != nil {
		return fmt.Errorf("read free disk space: %w", err)
	}
	c.metrics.diskFree.Set(float64(free))
	if limit := c.conf.MinFreeMiB << 20; free < limit {
		return fmt.Errorf("%w: %d MiB of disk are free, %d are needed", motet.ErrUnavailable, free>>20, c.conf.MinFreeMiB)
	}
	return nil
}
