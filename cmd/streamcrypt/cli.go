package main

import (
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// cli is the whole command line. A flag's name is also its field in a --config
// file, and in capitals behind STREAMCRYPT_ its environment variable.
type cli struct {
	Help        helpFlag      `short:"h" help:"Show help."`
	VersionFlag versionFlag   `name:"version" short:"v" help:"Show version and build."`
	Config      configFlag    `short:"c" placeholder:"FILE" complete:"path" help:"Read flags from FILE (YAML or JSON). The command line and the environment win over it."`
	LogLevel    string        `placeholder:"LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least severe messages to log: ${enum}."`
	AllowCore   bool          `help:"Allow core dumps, debuggers and swapping of memory, which holds keys and plaintext."`
	Progress    progress.Mode `placeholder:"WHERE" default:"auto" enum:"auto,terminal,log,none" help:"Where to show progress: ${enum}."`

	Encrypt    encryptCmd    `cmd:"" help:"Encrypt a stream or file into another."`
	Decrypt    decryptCmd    `cmd:"" help:"Decrypt a stream or file into another."`
	Verify     verifyCmd     `cmd:"" help:"Decrypt everything and write nothing."`
	Rewrap     rewrapCmd     `cmd:"" help:"Copy envelopes with their data keys wrapped for other keys."`
	Convert    convertCmd    `cmd:"" help:"Open messages and seal them again in another format: JWE or CMS, or back."`
	Migrate    migrateCmd    `cmd:"" help:"Seal a topic from its beginning, say when that has caught up, and follow."`
	Offsets    offsetsCmd    `cmd:"" help:"Say where readers of plaintext go on in its envelopes, and set their positions."`
	RunAll     runCmd        `cmd:"" name:"run" help:"Run the routes of a configuration file in one process."`
	Check      configCmd     `cmd:"" name:"config" help:"Check a configuration file of run, and show its form."`
	Inspect    inspectCmd    `cmd:"" help:"Show the parts of envelopes that need no key."`
	Peek       peekCmd       `cmd:"" help:"Show a few envelopes of a topic or stream, as inspect does."`
	Doctor     doctorCmd     `cmd:"" help:"Look for everything that keeps a route from working, and say what to do."`
	Keys       keysCmd       `cmd:"" help:"Say which keys envelopes need, and check audit logs."`
	Keygen     keygenCmd     `cmd:"" help:"Make a key, or print the public half of one."`
	Dictionary dictionaryCmd `cmd:"" help:"Make dictionaries for compression."`
	Demo       demoCmd       `cmd:"" help:"Encrypt and decrypt 10,000 messages with a server inside this process."`
	HelpTopic  helpCmd       `cmd:"" name:"help" help:"Show help on a command, on a kind of URL, or on keys: ${topics}."`
	Version    versionCmd    `cmd:"" help:"Show version and build."`
	Completion completionCmd `cmd:"" help:"Print a shell's completion script."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:""`
	Manual     manualCmd     `cmd:"" name:"__manual" hidden:""`
}

const envPrefix = "STREAMCRYPT"

func newParser(c *cli, std stdio, ends endpoint.Table) (*kong.Kong, error) {
	return newParserWith(c, std, ends, kong.DefaultEnvars(envPrefix))
}

func newParserWith(c *cli, std stdio, ends endpoint.Table, more ...kong.Option) (*kong.Kong, error) {
	texts := newTexts(ends)
	return kong.New(c, append(more,
		kong.Name("streamcrypt"),
		kong.Description("Encrypts message streams and files into COSE envelopes, and back.\n\n"+
			"Every flag may also stand in the environment, --read-ahead as "+envPrefix+"_READ_AHEAD, "+
			"or as read-ahead in the --config file. "+
			"streamcrypt help TOPIC lists the parameters of URLs; topics are "+texts["topics"]+"."),
		kong.Vars(texts),
		kong.PostBuild(func(k *kong.Kong) error { return expandDetails(k.Model.Node, texts) }),
		kong.NoDefaultHelp(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.ValueFormatter(func(v *kong.Value) string { return v.Help }), // not the variables: every flag has one
		kong.Writers(std.out, std.err),
		kong.Exit(func(int) {}),
	)...)
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

// NotStarted tells package outcome that nothing was done.
func (e *usageError) NotStarted() bool { return true }

// lists returns the noun for the list that the help of the command shows.
func (e *usageError) lists() string {
	if e.command == "streamcrypt" {
		return "the commands"
	}
	return "the flags"
}

// isInformative tells whether the command shows something of the program
// itself, for which no setting matters.
func isInformative(selected *kong.Context) bool {
	if selected == nil || selected.Selected() == nil {
		return false
	}
	switch selected.Selected().Target.Addr().Interface().(type) {
	case *helpCmd, *versionCmd, *completionCmd, *completeCmd, *manualCmd:
		return true
	}
	return false
}

// refuseRepeated refuses a flag that takes one value and was given several:
// only one of them could count, and the others would be dropped in silence. The
// environment and the file have one value for each flag.
func refuseRepeated(selected *kong.Context) error {
	given := map[*kong.Flag]bool{}
	for _, element := range selected.Path {
		f := element.Flag
		if f == nil || element.Resolved || f.IsCumulative() {
			continue
		}
		if given[f] {
			return &usageError{
				err:     fmt.Errorf("--%s: given twice, and it takes one value", f.Name),
				command: selected.Selected().FullPath(),
			}
		}
		given[f] = true
	}
	return nil
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
