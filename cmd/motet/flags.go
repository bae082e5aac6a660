package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/motet-evm/motet/executor"
)

// envName is the environment variable that a flag reads.
func envName(flagName string) string {
	return "MOTET_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flagName))
}

const adaptiveUsage = "where conflicts rule and nothing is predicted, run serially for a while (false: speculate whatever is lost, on slices of 8 transactions and more)"

// schedule is when the parallel executor speculates.
func schedule(adaptive bool) executor.Schedule {
	if adaptive {
		return executor.WherePays
	}
	return executor.Throughout
}

// noArgs refuses positional arguments where a command takes none.
func noArgs(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected %q: %w", args[0], errUsage)
	}
	return nil
}

// parseFlags fills fs from the command line, the environment and the file that
// --config names, in falling order of precedence. Flags may stand before and
// after positional arguments, which it returns.
func parseFlags(fs *flag.FlagSet, args []string, getenv func(string) (string, bool)) ([]string, error) {
	config := fs.String("config", "", "TOML `file` with any of these settings")
	var positional []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, fmt.Errorf("%s (see --help): %w", flagFault(err), errUsage)
		}
		if fs.NArg() == 0 {
			break
		}
		positional = append(positional, fs.Arg(0))
		args = fs.Args()[1:]
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["config"] {
		if path, ok := getenv(envName("config")); ok {
			*config = path
		}
	}
	if err := applyEnv(fs, given, getenv); err != nil {
		return nil, err
	}
	return positional, applyFile(fs, *config, given)
}

// wasSet tells whether a flag has its value from the command line, the environment
// or the file.
func wasSet(fs *flag.FlagSet, name string) bool {
	set := false
	fs.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// flagFault is what the flag package says, with flags as they are written here.
func flagFault(err error) string {
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return "unknown flag --" + name
	}
	return strings.Replace(err.Error(), " flag -", " flag --", 1)
}

func applyEnv(fs *flag.FlagSet, given map[string]bool, getenv func(string) (string, bool)) error {
	var failed error
	fs.VisitAll(func(f *flag.Flag) {
		value, ok := getenv(envName(f.Name))
		if !ok || given[f.Name] || failed != nil {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			failed = fmt.Errorf("%s=%q: %w: %w", envName(f.Name), value, err, errUsage)
		}
		given[f.Name] = true
	})
	return failed
}

func applyFile(fs *flag.FlagSet, path string, given map[string]bool) error {
	if path == "" {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read config: %w: %w", err, errUsage)
	}
	var tree map[string]any
	if err := toml.Unmarshal(raw, &tree); err != nil {
		return fmt.Errorf("config %s: %w: %w", path, err, errUsage)
	}
	values := map[string]string{}
	flatten("", tree, values)
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if fs.Lookup(name) == nil {
			return fmt.Errorf("config %s: there is no setting %q: %w", path, name, errUsage)
		}
		if given[name] {
			continue
		}
		if isRedacted(values[name]) {
			return fmt.Errorf("config %s: %s: motet config print left the secret out; write it there, or give --%s or %s: %w",
				path, name, name, envName(name), errUsage)
		}
		if err := fs.Set(name, values[name]); err != nil {
			return fmt.Errorf("config %s: %s = %q: %w: %w", path, name, values[name], err, errUsage)
		}
	}
	return nil
}

// flatten turns TOML tables into dotted flag names. A key that is both a flag
// and a table (l1 and l1.beacon) writes the flag's own value as "self".
func flatten(prefix string, tree map[string]any, out map[string]string) {
	for key, value := range tree {
		name := strings.TrimSuffix(prefix+key, ".self")
		if sub, ok := value.(map[string]any); ok {
			flatten(name+".", sub, out)
			continue
		}
		out[name] = fmt.Sprint(value)
	}
}
