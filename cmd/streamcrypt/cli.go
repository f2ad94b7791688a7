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
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// cli is the whole command line. A flag's name is also its field in a --config
// file, and in capitals behind STREAMCRYPT_ its environment variable.
type cli struct {
	Help        helpFlag      `short:"h" help:"Show help."`
	VersionFlag versionFlag   `name:"version" short:"v" help:"Show version and build."`
	Config      configFlag    `placeholder:"FILE" complete:"path" help:"Read flags from FILE (YAML or JSON). The command line and the environment win over it."`
	LogLevel    string        `placeholder:"LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least severe messages to log: ${enum}."`
	Progress    progress.Mode `placeholder:"WHERE" default:"auto" enum:"auto,terminal,log,none" help:"Where to show progress: ${enum}."`

	Encrypt    encryptCmd    `cmd:"" help:"Encrypt a stream or file into another."`
	Decrypt    decryptCmd    `cmd:"" help:"Decrypt a stream or file into another."`
	Verify     verifyCmd     `cmd:"" help:"Decrypt everything and write nothing."`
	Rewrap     rewrapCmd     `cmd:"" help:"Copy envelopes with their data keys wrapped for other keys."`
	Inspect    inspectCmd    `cmd:"" help:"Show the parts of envelopes that need no key."`
	Keys       keysCmd       `cmd:"" help:"Say which keys envelopes need, and check audit logs."`
	Keygen     keygenCmd     `cmd:"" help:"Make a key, or print the public half of one."`
	Dictionary dictionaryCmd `cmd:"" help:"Make dictionaries for compression."`
	Demo       demoCmd       `cmd:"" help:"Encrypt and decrypt 10,000 messages with a NATS server inside this process."`
	HelpTopic  helpCmd       `cmd:"" name:"help" help:"Show help on a command, on a kind of URL, or on keys: ${topics}."`
	Version    versionCmd    `cmd:"" help:"Show version and build."`
	Completion completionCmd `cmd:"" help:"Print a shell's completion script."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:""`
}

const envPrefix = "STREAMCRYPT"

// stdio is the standard files of a process. Tests run the program with
// buffers.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// program is everything that commands need of their surroundings.
type program struct {
	stdio
	ctx    context.Context //nolint:containedctx // one program is one call of run
	log    *slog.Logger
	screen *progress.Screen
	mode   progress.Mode
	parser *kong.Kong
	ends   endpoint.Table

	args    []string
	hangups *hangups
}

// run is the whole program but for the process: it returns the exit code.
func run(ctx context.Context, args []string, std stdio) int {
	return runWith(ctx, args, std, all.Table())
}

// runWith runs the program with these kinds of end.
func runWith(ctx context.Context, args []string, std stdio, ends endpoint.Table) int {
	err := execute(ctx, args, std, ends)
	if err == nil || errors.Is(err, errShown) {
		return exitOK
	}
	reportError(std.err, err)
	return exitCode(err)
}

func execute(ctx context.Context, args []string, std stdio, ends endpoint.Table) error {
	var c cli
	parser, err := newParser(&c, std, ends)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return showUsage(parser, std)
	}
	selected, err := parser.Parse(args)
	if err != nil {
		return newUsageError(err)
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
		stdio: std, ctx: ctx, screen: screen, log: newLogger(screen, c.LogLevel), mode: c.Progress, parser: parser,
		ends: ends, args: args, hangups: hangups,
	}
	p.warnOfVariables(os.Environ())
	return selected.Run(p)
}

func newParser(c *cli, std stdio, ends endpoint.Table) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("streamcrypt"),
		kong.Description("Encrypts message streams and files into COSE envelopes, and back.\n\n"+
			"Every flag may also stand in the environment, --read-ahead as "+envPrefix+"_READ_AHEAD, "+
			"or as read-ahead in the --config file. "+
			"streamcrypt help TOPIC lists the parameters of URLs; topics are "+listTopics(ends)+"."),
		kong.DefaultEnvars(envPrefix),
		kong.Vars(newTexts(ends)),
		kong.PostBuild(func(k *kong.Kong) error { return expandDetails(k.Model.Node, newTexts(ends)) }),
		kong.NoDefaultHelp(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.ValueFormatter(func(v *kong.Value) string { return v.Help }), // not the variables: every flag has one
		kong.Writers(std.out, std.err),
		kong.Exit(func(int) {}),
	)
}

// errShown says that the thing that was asked for has been shown while the
// command line was read.
var errShown = errors.New("shown")

// usageError is an error of the command line or the configuration.
type usageError struct {
	err     error
	command string // "streamcrypt encrypt"
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// lists returns the noun for the list that the help of the command shows.
func (e *usageError) lists() string {
	if e.command == "streamcrypt" {
		return "the commands"
	}
	return "the flags"
}

// newUsageError makes an error of kong one of ours.
func newUsageError(err error) error {
	command := "streamcrypt"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			command = node.FullPath()
		}
	}
	return &usageError{err: err, command: command}
}

// listFlags returns the names of a node's flags, those of its parents included.
func listFlags(node *kong.Node) []string {
	var names []string
	for _, group := range node.AllFlags(false) {
		for _, flag := range group {
			if flag.Name != "help" && flag.Name != "version" {
				names = append(names, flag.Name)
			}
		}
	}
	return names
}
