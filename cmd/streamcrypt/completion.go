package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	return "bash: source <(streamcrypt completion bash). zsh: the same, or a file named _streamcrypt in $fpath. " +
		"fish: streamcrypt completion fish | source."
}

// Run implements the command.
func (c *completionCmd) Run(p *program) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err := io.WriteString(p.out, script)
	return err
}

// completeCmd answers a shell: it prints what the last word may become, one candidate a line.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:"all"`
}

// Run implements the command.
func (c *completeCmd) Run(p *program) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, candidate := range complete(p.app.Node, words) {
		if _, err := fmt.Fprintln(p.out, candidate); err != nil {
			return err
		}
	}
	return nil
}

// complete returns what the last of words may become. It follows the commands in words and asks the flags and arguments
// that kong has of them.
func complete(node *kong.Node, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	var waiting *kong.Flag // for its value
	for _, word := range before {
		switch {
		case waiting != nil:
			waiting = nil
		case strings.HasPrefix(word, "--"):
			waiting = takesNext(node, word)
		default:
			node = child(node, word)
		}
	}
	if waiting != nil {
		return valuesOf(waiting.Value, last)
	}
	if name, value, ok := strings.Cut(last, "="); ok && strings.HasPrefix(name, "--") {
		flag := flagOf(node, name)
		if flag == nil {
			return nil
		}
		return prefixed(name+"=", valuesOf(flag.Value, value))
	}
	if strings.HasPrefix(last, "-") {
		return starting(last, flagsOf(node))
	}
	return append(commandsOf(node, last), argumentsOf(node, last)...)
}

func child(node *kong.Node, name string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == name {
			return c
		}
	}
	return node
}

func flagOf(node *kong.Node, name string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if "--"+flag.Name == name {
				return flag
			}
		}
	}
	return nil
}

// takesNext returns the flag whose value the next word is.
func takesNext(node *kong.Node, word string) *kong.Flag {
	flag := flagOf(node, word)
	if flag == nil || flag.IsBool() {
		return nil
	}
	return flag
}

func flagsOf(node *kong.Node) []string {
	names := []string{"--help"}
	for _, name := range flagNames(node) {
		names = append(names, "--"+name)
	}
	slices.Sort(names)
	return names
}

func commandsOf(node *kong.Node, start string) []string {
	var names []string
	for _, c := range node.Children {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return starting(start, names)
}

func argumentsOf(node *kong.Node, start string) []string {
	if len(node.Positional) == 0 {
		return nil
	}
	return valuesOf(node.Positional[0], start)
}

// beginnings are what the values of a flag or argument begin with; behind a colon at the end stands a file.
var beginnings = map[string][]string{
	"from":        {"file:", "nats://"},
	"to":          {"file:", "nats://"},
	"dead-letter": {"file:", "nats://"},
	"keystore":    {"file:"},
	"key":         {"local:", "x25519:", "rsa:", "awskms:alias/"},
	"bind":        {"header:"},
	"kind":        keyKinds,
}

// valuesOf returns the values of a flag or argument that begin with start.
func valuesOf(v *kong.Value, start string) []string {
	if v.Enum != "" {
		return starting(start, slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" }))
	}
	for _, scheme := range beginnings[v.Name] {
		if rest, ok := strings.CutPrefix(start, scheme); ok && strings.HasSuffix(scheme, ":") && v.Name != "bind" {
			return prefixed(scheme, files(rest))
		}
	}
	if known := beginnings[v.Name]; known != nil {
		return starting(start, known)
	}
	if v.Tag.PlaceHolder == "FILE" || v.Name == "file" {
		return files(start)
	}
	return nil
}

// files returns the files that begin with start, folders with a slash behind.
func files(start string) []string {
	folder, base := filepath.Split(start)
	entries, err := os.ReadDir(cmp.Or(folder, "."))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || (base == "" && strings.HasPrefix(name, ".")) {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		out = append(out, folder+name)
	}
	return out
}

func starting(start string, all []string) []string {
	var out []string
	for _, s := range all {
		if strings.HasPrefix(s, start) {
			out = append(out, s)
		}
	}
	return out
}

func prefixed(prefix string, all []string) []string {
	for i := range all {
		all[i] = prefix + all[i]
	}
	return all
}
