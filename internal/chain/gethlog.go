package chain

import (
	"context"
	"log/slog"
	"strings"

	"github.com/ethereum/go-ethereum/log"
)

// gethLogger keeps geth's log.SetDefault from replacing slog's default logger
// as well, which it does for the type it knows.
type gethLogger struct{ log.Logger }

// routeGethLog sends geth's lines to l. It must be called before node.New,
// since parts of geth keep the logger that they find then.
func routeGethLog(l *slog.Logger) {
	h := l.With(slog.String("component", "geth")).Handler()
	log.SetDefault(gethLogger{log.NewLogger(&gethHandler{next: h})})
}

// gethHandler lowers geth's lines to what they mean here: its milestones are
// our debug steps, and some of its warnings report what we do on purpose.
type gethHandler struct{ next slog.Handler }

// expectedLine lists the warnings and errors of geth that belong to normal work
// or that their caller gets as an error too.
func expectedLine(msg string) bool {
	if strings.Contains(msg, "BAD BLOCK") { // Import of an invalid block
		return true
	}
	switch msg {
	case "Impossible reorg, please file an issue", // a rollback by more than 32 blocks
		"Large chain reorg detected",
		"Truncating freezer table",      // the same, and the repair of a crash
		"Failed to load old bad blocks", // there were none
		"Head state missing, repairing", // restart after a crash; Open executes the rest
		"Unclean shutdown detected",
		"Failed to reset txpool state", // of a block flushed meanwhile; the pool is empty anyway
		"Failed to reset blobpool state",
		"Head block is not reachable", // the freezer starts before the genesis is written
		"P2P server will be useless, neither dialing nor listening":
		return true
	default:
		return false
	}
}

func gethLevel(r slog.Record) slog.Level {
	switch {
	case r.Level < slog.LevelInfo:
		return slog.LevelDebug - 4
	case r.Level < slog.LevelWarn || expectedLine(r.Message):
		return slog.LevelDebug
	default:
		return min(r.Level, slog.LevelError)
	}
}

func (h *gethHandler) Enabled(ctx context.Context, level slog.Level) bool {
	switch {
	case level < slog.LevelInfo:
		return h.next.Enabled(ctx, slog.LevelDebug-4)
	case level < slog.LevelWarn:
		return h.next.Enabled(ctx, slog.LevelDebug)
	default:
		return h.next.Enabled(ctx, slog.LevelWarn)
	}
}

func (h *gethHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Level = gethLevel(r)
	if r.Message == "" || !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *gethHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &gethHandler{next: h.next.WithAttrs(attrs)}
}

func (h *gethHandler) WithGroup(name string) slog.Handler {
	return &gethHandler{next: h.next.WithGroup(name)}
}
