package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
)

// cli is the whole command line. A flag's name is also its field in a --config file, and in capitals behind STREAMCRYPT_
// its environment variable.
type cli struct {
	Help     helpFlag      `short:"h" help:"Show help."`
	Config   configFlag    `placeholder:"FILE" help:"Read flags from FILE (YAML or JSON). What the command line or the environment says wins."`
	LogLevel string        `placeholder:"LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least severe messages to log: ${enum}."`
	Progress progress.Mode `placeholder:"WHERE" default:"auto" enum:"auto,terminal,log,none" help:"Where to show progress: ${enum}."`

	Encrypt    encryptCmd    `cmd:"" help:"Encrypt a stream or file into another."`
	Decrypt    decryptCmd    `cmd:"" help:"Decrypt a stream or file into another."`
	Verify     verifyCmd     `cmd:"" help:"Decrypt everything and write nothing."`
	Rewrap     rewrapCmd     `cmd:"" help:"Copy envelopes with their data keys wrapped for other keys."`
	Inspect    inspectCmd    `cmd:"" help:"Show what can be seen of envelopes without a key."`
	Keys       keysCmd       `cmd:"" help:"Say which keys envelopes need, and check audit logs."`
	Keygen     keygenCmd     `cmd:"" help:"Make a key, or print the public half of one."`
	Demo       demoCmd       `cmd:"" help:"Encrypt and decrypt 10,000 messages with a NATS server inside this process."`
	Version    versionCmd    `cmd:"" help:"Show version and build."`
	Completion completionCmd `cmd:"" help:"Print a shell's completion script."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:""`
}

const envPrefix = "STREAMCRYPT"

// stdio is what a process is given. Tests run the program with buffers.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// program is what commands need of their surroundings.
type program struct {
	stdio
	ctx    context.Context //nolint:containedctx // one program is one call of run
	log    *slog.Logger
	screen *progress.Screen
	mode   progress.Mode
	app    *kong.Application

	args    []string
	hangups *hangups
}

// run is the whole program but for the process: it returns the exit code.
func run(ctx context.Context, args []string, std stdio) int {
	err := execute(ctx, args, std)
	if err == nil || errors.Is(err, errShown) {
		return exitOK
	}
	report(std.err, err)
	return exitCode(err)
}

func execute(ctx context.Context, args []string, std stdio) error {
	var c cli
	parser, err := newParser(&c, std)
	if err != nil {
		return err
	}
	selected, err := parser.Parse(args)
	if err != nil {
		return usage(err)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	hangups := watchHangups(func() {
		fmt.Fprintf(std.err, ending, "hangup signal received")
		end()
	})
	defer hangups.stop()
	screen := progress.NewScreen(std.err)
	p := &program{
		stdio: std, ctx: ctx, screen: screen, log: newLogger(screen, c.LogLevel), mode: c.Progress, app: parser.Model,
		args: args, hangups: hangups,
	}
	p.warnOfVariables(os.Environ())
	return selected.Run(p)
}

func newParser(c *cli, std stdio) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("streamcrypt"),
		kong.Description("Encrypts message streams and files into COSE envelopes, and back.\n\n"+
			"Every flag may also stand in the environment, --read-ahead as "+envPrefix+"_READ_AHEAD, or as read-ahead in the --config file."),
		kong.DefaultEnvars(envPrefix),
		kong.NoDefaultHelp(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.ValueFormatter(func(v *kong.Value) string { return v.Help }), // not the variables: every flag has one
		kong.Writers(std.out, std.err),
		kong.Exit(func(int) {}),
	)
}

// errShown says that what was asked for has been shown while the command line was read.
var errShown = errors.New("shown")

// helpFlag is --help, for the command that it stands behind.
type helpFlag bool

// IgnoreDefault keeps the flag from being taken from anywhere but the command line.
func (helpFlag) IgnoreDefault() {}

// BeforeReset implements kong's hook of that name.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	return errShown
}

// usageError is an error of the command line or the configuration.
type usageError struct {
	err     error
	command string // "streamcrypt encrypt"
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// usage makes an error of kong one of ours.
func usage(err error) error {
	command := "streamcrypt"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			command = node.FullPath()
		}
	}
	return &usageError{err: err, command: command}
}

// flagNames returns the names of a node's flags, those of its parents included.
func flagNames(node *kong.Node) []string {
	var names []string
	for _, group := range node.AllFlags(false) {
		for _, flag := range group {
			if flag.Name != "help" {
				names = append(names, flag.Name)
			}
		}
	}
	return names
}
