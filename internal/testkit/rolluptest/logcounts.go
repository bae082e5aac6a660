package rolluptest

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// LogCounts is a slog.Handler that counts lines by level.
type LogCounts struct{ Warn, Err atomic.Int64 }

// Enabled implements slog.Handler.
func (l *LogCounts) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (l *LogCounts) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *LogCounts) WithGroup(string) slog.Handler { return l }

// Handle implements slog.Handler.
func (l *LogCounts) Handle(_ context.Context, r slog.Record) error {
	switch r.Level {
	case slog.LevelWarn:
		l.Warn.Add(1)
	case slog.LevelError:
		l.Err.Add(1)
	default:
	}
	return nil
}
