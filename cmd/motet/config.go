package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/motet-evm/motet/internal/wallet"
)

func setupConfigCheck(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg devConfig
	cfg.register(fs)
	return func(_ context.Context, io streams, _ []string) error {
		if err := cfg.validate(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(io.out, "configuration is valid")
		return err
	}
}

// setupConfigPrint prints the effective settings as TOML that --config takes.
func setupConfigPrint(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg devConfig
	cfg.register(fs)
	return func(_ context.Context, io streams, _ []string) error {
		var failed error
		fs.VisitAll(func(f *flag.Flag) {
			if f.Name == "config" {
				return
			}
			key := f.Name
			if hasChild(fs, f.Name) {
				key += ".self"
			}
			line, err := toml.Marshal(map[string]string{"v": redact(f.Name, f.Value.String())})
			if err == nil {
				_, err = fmt.Fprint(io.out, key+strings.TrimPrefix(string(line), "v"))
			}
			failed = errors.Join(failed, err)
		})
		return failed
	}
}

// hasChild reports whether another flag is named name.something, in which case
// name is a table in TOML.
func hasChild(fs *flag.FlagSet, name string) bool {
	found := false
	fs.VisitAll(func(f *flag.Flag) { found = found || strings.HasPrefix(f.Name, name+".") })
	return found
}

// hidden stands in a printed setting for what must not be shown.
const hidden = "…"

// isRedacted reports whether a value is one that redact shortened: it can be read
// back from nowhere.
func isRedacted(value string) bool {
	return value == hidden || strings.Contains(value, "://") && strings.Contains(value, hidden)
}

// redact hides what must not be shown: a phrase of accounts that is not the
// well-known one, and passwords in URLs.
func redact(name, value string) string {
	if name == "mnemonic" && value != wallet.DefaultMnemonic {
		return hidden
	}
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		return value
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		if user, _, hasPassword := strings.Cut(rest[:at], ":"); hasPassword {
			return scheme + "://" + user + ":" + hidden + rest[at:]
		}
	}
	return value
}
