package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

var errExternalSync = errors.New("nats-server does not sync every write: set sync_interval to always")

// checkSync asks an external server's monitor whether it syncs every write. No
// client of a stream can see that, so without a monitor there is only a warning.
func checkSync(ctx context.Context, cfg Config, log *slog.Logger) error {
	if cfg.MonitorURL == "" {
		log.Warn("cannot check that the NATS server syncs every write, without which a power cut loses preconfirmed transactions: name its monitor")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(cfg.MonitorURL, "/")+"/varz", nil)
	if err != nil {
		return fmt.Errorf("ask nats monitor: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask nats monitor: %w", unavailable(err))
	}
	defer resp.Body.Close()
	var varz struct {
		JetStream struct {
			Config struct {
				SyncAlways bool `json:"sync_always"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	const maxVarz = 1 << 20
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxVarz)).Decode(&varz); err != nil {
		return fmt.Errorf("read nats monitor: %w", err)
	}
	if !varz.JetStream.Config.SyncAlways {
		return errExternalSync
	}
	return nil
}
