// Package telemetry makes the process's logger and metric registry. Both are
// passed to whoever needs them; there are no global ones.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/mattn/go-isatty"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewLogger returns a logger that writes to w. format is auto (a terminal gets
// aligned coloured lines, anything else logfmt), json or logfmt; level is debug,
// info, warn or error.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var lvl slog.Level
	if err := lvl.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	switch format {
	case "auto":
		if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
			color := os.Getenv("NO_COLOR") == ""
			return slog.New(gethlog.NewTerminalHandlerWithLevel(w, lvl, color)), nil
		}
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: lvl})), nil
	case "logfmt":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: lvl})), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: lvl, ReplaceAttr: plain})), nil
	default:
		return nil, fmt.Errorf("log format %q: use auto, json or logfmt", format)
	}
}

// plain writes levels in lower case and durations as seconds, which slog's JSON
// gives as nanoseconds.
func plain(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) == 0 && a.Key == slog.LevelKey:
		return slog.String(slog.LevelKey, strings.ToLower(a.Value.String()))
	case a.Value.Kind() == slog.KindDuration:
		return slog.Float64(a.Key, a.Value.Duration().Seconds())
	default:
		return a
	}
}

// NewRegistry returns a registry that holds the metrics of the Go runtime, of
// the process, and the build.
func NewRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "motet_build_info", Help: "Always 1; the label tells the version.",
	}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
