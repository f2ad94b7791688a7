package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/reference"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// docs/urls.md is made from the same tables as help on topics.
//
//go:generate go test -run ^Test(URLReference|Mistakes|MistakesWithServers|Plans)$ . -update

// helpFlag is --help, for the command that it stands behind.
type helpFlag bool

// IgnoreDefault keeps the flag from being taken from anywhere but the command
// line.
func (helpFlag) IgnoreDefault() {}

// BeforeReset implements kong's hook of that name.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	return errShown
}

// helpCmd shows help on a command or a topic. A word may be both; then help
// shows both.
type helpCmd struct {
	Words []string `arg:"" optional:"" name:"topic" complete:"help" help:"Command or topic; without one the help of the whole program."`
}

// Run implements the command.
func (c *helpCmd) Run(p *program) error {
	node := findCommand(p.parser.Model.Node, c.Words)
	topic := findTopic(p.ends, c.Words)
	if node == nil && topic == nil {
		return c.refuse(p)
	}
	if node != nil {
		if err := printUsage(p.parser, c.Words); err != nil {
			return err
		}
	}
	if topic == nil {
		return nil
	}
	if node != nil {
		fmt.Fprintln(p.out)
	}
	return topic.WriteText(p.out)
}

// refuse says that there is no such command and no such topic.
func (c *helpCmd) refuse(p *program) error {
	known := listCommands(p.parser.Model.Node)
	for _, t := range reference.NewTopics(p.ends) {
		known = append(known, t.Name)
	}
	slices.Sort(known)
	err := address.NewUnknownError("command or topic", strings.Join(c.Words, " "), slices.Compact(known))
	return &usageError{err: err, command: "streamcrypt"}
}

// findCommand returns nil if the words are not those of a command. No words are
// those of the program.
func findCommand(node *kong.Node, words []string) *kong.Node {
	for _, word := range words {
		i := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == word && !child.Hidden })
		if i < 0 {
			return nil
		}
		node = node.Children[i]
	}
	return node
}

func findTopic(ends endpoint.Table, words []string) *reference.Topic {
	if len(words) != 1 {
		return nil
	}
	for _, t := range reference.NewTopics(ends) {
		if t.Name == words[0] {
			return &t
		}
	}
	return nil
}

// printUsage shows the help of a command.
func printUsage(parser *kong.Kong, words []string) error {
	ctx, err := kong.Trace(parser, words)
	if err != nil {
		return err
	}
	return ctx.PrintUsage(false)
}

var errNoCommand = errors.New("no command is given")

// showUsage is for a program that is started without a word. It shows help on
// standard error, since a script that got lost must not go on as if something
// had been done.
func showUsage(parser *kong.Kong, std stdio) error {
	out := parser.Stdout
	parser.Stdout = std.err
	defer func() { parser.Stdout = out }()
	if err := printUsage(parser, nil); err != nil {
		return err
	}
	if _, err := io.WriteString(std.err, "\n"); err != nil {
		return err
	}
	return &usageError{err: errNoCommand, command: "streamcrypt"}
}

// listCommands returns the names of the commands below a node.
func listCommands(node *kong.Node) []string {
	var names []string
	for _, child := range node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return names
}
