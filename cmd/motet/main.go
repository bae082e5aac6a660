// Motet is a rollup sequencer. This command is where the parts are put together:
// each role is a list of them, and nothing below this package knows which role
// it runs in.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/telemetry"
	"github.com/motet-evm/motet/l1bridge"
)

// Exit codes, as documented in README.md.
const (
	exitOK       = 0
	exitFailure  = 1 // runtime failure: may be restarted
	exitUsage    = 2 // usage or configuration
	exitMismatch = 3 // data or consensus mismatch: must not be restarted blindly
)

// errUsage marks errors that are the caller's: exit code 2.
var errUsage = errors.New("usage")

// errMismatch marks a found difference: exit code 3.
var errMismatch = errors.New("mismatch")

// streams are the process's outputs. Results go to out, logs and progress to err.
type streams struct {
	out, err io.Writer
}

// command is one sub-command. Setup registers its flags and returns the function
// that runs it with the remaining arguments; there are none where args is empty.
type command struct {
	name    string
	args    string
	summary string
	setup   func(fs *flag.FlagSet) func(ctx context.Context, io streams, args []string) error
}

func commands() []command {
	return []command{
		{"dev", "", "run the whole pipeline in one process on embedded defaults", setupDev},
		{"verifier", "", "rebuild the chain from L1 alone", setupVerifier},
		{"replay", "PATH…", "replay recorded blocks: serial and parallel against geth", setupReplay},
		{"statetest", "PATH…", "run official Ethereum state tests through the executors", setupStateTest},
		{"blocktest", "PATH…", "run official Ethereum block tests through the executors", setupBlockTest},
		{"bench executor", "", "compare the executors with geth's serial processor", setupBenchExecutor},
		{"bench submit", "", "offer transactions to a JSON-RPC endpoint and measure", setupBenchSubmit},
		{"import", "PATH…", "import RLP blocks into a data directory", setupImport},
		{"export", "FILE", "export the chain of a data directory as RLP", setupExport},
		{"verify", "", "re-execute the chain of a data directory serially", setupVerify},
		{"rebuild-index", "", "empty the Postgres index, so that it is built anew", setupRebuildIndex},
		{"config check", "", "check the configuration of motet dev", setupConfigCheck},
		{"config print", "", "print the configuration of motet dev, secrets redacted", setupConfigPrint},
		{"version", "", "print the version", setupVersion},
	}
}

func main() {
	os.Exit(run(context.Background(), streams{os.Stdout, os.Stderr}, os.Args[1:]))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, io streams, args []string) int {
	if len(args) > 1 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		printUsage(io.out)
		return exitOK
	}
	cmd, rest, ok := find(args)
	if !ok {
		return unknownCommand(io, args)
	}
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(discard{})
	action := cmd.setup(fs)
	positional, err := parseFlags(fs, rest, os.LookupEnv)
	if errors.Is(err, flag.ErrHelp) {
		printCommandUsage(io.out, cmd, fs)
		return exitOK
	}
	if err == nil && cmd.args == "" {
		err = noArgs(positional)
	}
	if err == nil {
		err = guard(func() error { return action(ctx, io, positional) })
	}
	return report(io.err, cmd.name, err)
}

// unknownCommand tells what could have been meant: the members of a group of
// commands, or the whole list.
func unknownCommand(io streams, args []string) int {
	var members []string
	for _, c := range commands() {
		if rest, ok := strings.CutPrefix(c.name, args[0]+" "); ok {
			members = append(members, rest)
		}
	}
	switch {
	case members == nil:
		fmt.Fprintf(io.err, "motet: unknown command %q; see motet help\n", args[0])
	case len(args) > 1 && strings.HasSuffix(args[1], "-help"):
		fmt.Fprintf(io.out, "Usage: motet %s %s [flags]\n", args[0], strings.Join(members, "|"))
		return exitOK
	default:
		fmt.Fprintf(io.err, "motet %s: use %s; see motet help\n", args[0], strings.Join(members, " or "))
	}
	return exitUsage
}

// guard turns the panic with which the key-value store below geth meets a damaged
// file into an error. Any other panic goes on.
func guard(action func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			cause, ok := r.(error)
			if !ok || !strings.Contains(cause.Error(), "corrupt") {
				panic(r)
			}
			first, _, _ := strings.Cut(cause.Error(), "\n")
			err = fmt.Errorf("the chain store is damaged: %s: %w", first, errMismatch)
		}
	}()
	return action()
}

// report prints err in one line and says which exit code it means.
func report(w io.Writer, name string, err error) int {
	if err == nil {
		return exitOK
	}
	text := telemetry.OneLine(err.Error())
	for _, class := range []error{errUsage, errMismatch} {
		text = strings.TrimPrefix(strings.TrimSuffix(text, ": "+class.Error()), class.Error()+": ")
	}
	fmt.Fprintf(w, "motet %s: %s\n", name, text)
	_, foreign := errors.AsType[*chain.ForeignDatadirError](err)
	_, forks := errors.AsType[*chain.ForkScheduleError](err)
	switch {
	case errors.Is(err, errUsage), errors.Is(err, l1bridge.ErrForeign), foreign, forks:
		return exitUsage
	case errors.Is(err, motet.ErrHalt), errors.Is(err, errMismatch):
		return exitMismatch
	default:
		return exitFailure
	}
}

// find matches the longest command name at the start of args.
func find(args []string) (command, []string, bool) {
	for _, words := range []int{2, 1} {
		if len(args) < words {
			continue
		}
		name := strings.Join(args[:words], " ")
		for _, c := range commands() {
			if c.name == name {
				return c, args[words:], true
			}
		}
	}
	return command{}, nil, false
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "Motet: a rollup sequencer that runs an Ethereum L2 in parallel.\n\nUsage: motet COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-16s %-8s %s\n", c.name, c.args, c.summary)
	}
	fmt.Fprint(w, "\nmotet COMMAND --help lists the flags. Each flag --a-b also reads MOTET_A_B and the\nfile named by --config (TOML); a flag wins over the environment, that over the file.\nExit codes: 0 ok, 1 runtime failure, 2 usage or configuration, 3 data or consensus mismatch.\n")
}

func printCommandUsage(w io.Writer, c command, fs *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: motet %s [flags] %s\n\n%s\n\n", c.name, c.args, c.summary)
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// discard swallows what the flag package would print itself.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func setupVersion(*flag.FlagSet) func(context.Context, streams, []string) error {
	return func(_ context.Context, io streams, _ []string) error {
		_, err := fmt.Fprintln(io.out, "motet "+version())
		return err
	}
}

// version is the module's version, or the commit for a build out of a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}
