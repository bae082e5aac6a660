package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
)

func setupConfigCheck(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg devConfig
	cfg.register(fs)
	return func(_ context.Context, io streams, args []string) error {
		if err := errors.Join(noArgs(args), cfg.validate()); err != nil {
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
	return func(_ context.Context, io streams, args []string) error {
		if err := noArgs(args); err != nil {
			return err
		}
		fs.VisitAll(func(f *flag.Flag) {
			if f.Name == "config" {
				return
			}
			key, value := f.Name, redact(f.Name, f.Value.String())
			if hasChild(fs, f.Name) {
				key += ".self"
			}
			fmt.Fprintf(io.out, "%s = %q\n", key, value)
		})
		return nil
	}
}

// hasChild reports whether another flag is named name.something, in which case
// name is a table in TOML.
func hasChild(fs *flag.FlagSet, name string) bool {
	found := false
	fs.VisitAll(func(f *flag.Flag) { found = found || strings.HasPrefix(f.Name, name+".") })
	return found
}

// redact hides what must not be shown: the phrase of accounts and passwords in
// URLs.
func redact(name, value string) string {
	if name == "mnemonic" {
		return "…"
	}
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		return value
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		if user, _, hasPassword := strings.Cut(rest[:at], ":"); hasPassword {
			return scheme + "://" + user + ":…" + rest[at:]
		}
	}
	return value
}
