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
		cfg.settle(fs)
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
		cfg.settle(fs)
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

// redact hides what must not be shown of a setting: a phrase of accounts that is
// not the well-known one, and in URLs passwords, tokens, and for an L1 the path and
// the query, which are where providers put the key.
func redact(name, value string) string {
	if name == "mnemonic" && value != wallet.DefaultMnemonic {
		return hidden
	}
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		return value
	}
	user, rest := redactUser(name, rest)
	if host, path, ok := cutAny(rest, "/?"); ok && (name == "l1" || name == "l1.beacon") {
		if rest = host; path != "" {
			rest += "/" + hidden
		}
	}
	if path, query, ok := strings.Cut(rest, "?"); ok {
		pairs := strings.Split(query, "&")
		for i, pair := range pairs {
			if key, _, _ := strings.Cut(pair, "="); strings.Contains(strings.ToLower(key), "password") {
				pairs[i] = key + "=" + hidden
			}
		}
		rest = path + "?" + strings.Join(pairs, "&")
	}
	return scheme + "://" + user + rest
}

// redactUser splits what follows the scheme of a URL into the user, without a
// password, and the rest. In the URL of NATS a user alone is a token.
func redactUser(name, rest string) (user, after string) {
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return "", rest
	}
	user, _, hasPassword := strings.Cut(rest[:at], ":")
	switch {
	case hasPassword:
		user += ":" + hidden
	case name == "nats":
		user = hidden
	}
	return user + "@", rest[at+1:]
}

// cutAny cuts s at the first of the characters in chars.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
