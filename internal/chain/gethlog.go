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
	if strings.Contains(msg, "BAD BLOCK") || strings.HasPrefix(msg, "Served ") {
		return true // an invalid block given to Import; a request that ends in an error
	}
	switch msg {
	case // A rollback, and imports that replace blocks.
		"Impossible reorg, please file an issue",
		"Large chain reorg detected",
		"Truncating freezer table",
		// The node's own pool is empty, so it does not matter that the state it
		// wants to look at was flushed meanwhile.
		"Failed to reset txpool state",
		"Failed to reset blobpool state",
		// A first start.
		"Head block is not reachable",
		"Initialized trienode history",
		"Failed to load old bad blocks",
		"P2P server will be useless, neither dialing nor listening",
		// Repairs after a crash; Open executes what is missing.
		"Head state missing, repairing",
		"Unclean shutdown detected",
		"Old unclean shutdowns found",
		"Truncated extra histories",
		"Truncating dangling head",
		"Truncating dangling indexes",
		"Truncating freezer items after flushOffset",
		"Rewinding freezer flushOffset",
		"Truncated index file",
		"Removed leftover temporary journal file",
		"State indexer is in recovery":
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
