package main

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints the few lines that make a shell ask __complete.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell: ${enum}."`
}

//go:embed completion.bash
var bashCompletion string

//go:embed completion.zsh
var zshCompletion string

//go:embed completion.fish
var fishCompletion string

// Help is shown by --help.
func (completionCmd) Help() string {
	return "bash: source <(streamcrypt completion bash). zsh: the same, or a file named _streamcrypt in a " +
		"folder of fpath. " +
		"fish: streamcrypt completion fish | source."
}

// Run implements the command.
func (c *completionCmd) Run(p *program) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err := io.WriteString(p.out, script)
	return err
}

// completeCmd answers a shell: it prints every word that the last one may
// become, one candidate a line.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:"all"`
}

// Run implements the command.
func (c *completeCmd) Run(p *program) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	all := &completer{ends: p.ends, root: p.parser.Model.Node}
	for _, candidate := range all.completeWords(words) {
		if _, err := fmt.Fprintln(p.out, candidate); err != nil {
			return err
		}
	}
	return nil
}

// completeWords returns the words that the last of words may become. It follows
// the commands in words and asks the flags and arguments that kong has of them.
func (c *completer) completeWords(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	// A shell may leave the quotation mark with which a word begins.
	before, last := words[:len(words)-1], strings.TrimLeft(words[len(words)-1], `'"`)
	node := c.root
	var waiting *kong.Flag // for its value
	for _, word := range before {
		switch {
		case waiting != nil:
			waiting = nil
		case strings.HasPrefix(word, "--"):
			waiting = findWaiting(node, word)
		default:
			node = findChild(node, word)
		}
	}
	if waiting != nil {
		return c.completeValue(waiting.Value, last)
	}
	if name, value, ok := strings.Cut(last, "="); ok && strings.HasPrefix(name, "--") {
		flag := findFlag(node, name)
		if flag == nil {
			return nil
		}
		return addPrefix(name+"=", c.completeValue(flag.Value, value))
	}
	if strings.HasPrefix(last, "-") {
		return filterPrefix(last, listLongFlags(node))
	}
	candidates := filterPrefix(last, listCommands(node))
	if len(node.Positional) > 0 {
		candidates = append(candidates, c.completeValue(node.Positional[0], last)...)
	}
	return candidates
}

// findChild returns the node itself if it has no such child.
func findChild(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return node
}

func findFlag(node *kong.Node, name string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if "--"+flag.Name == name {
				return flag
			}
		}
	}
	return nil
}

// findWaiting returns the flag that takes the next word for its value.
func findWaiting(node *kong.Node, word string) *kong.Flag {
	flag := findFlag(node, word)
	if flag == nil || flag.IsBool() {
		return nil
	}
	return flag
}

func listLongFlags(node *kong.Node) []string {
	names := []string{"--help", "--version"}
	for _, name := range listFlags(node) {
		names = append(names, "--"+name)
	}
	slices.Sort(names)
	return names
}
