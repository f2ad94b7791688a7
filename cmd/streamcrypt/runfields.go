package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/settings"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// fieldDo is the field of a route that names its command.
const fieldDo = "do"

// ofProcess are flags of a route's command that the process decides about in a
// file of several routes, or that make no sense there.
var ofProcess = []string{
	"workers", "budget", "name", "plan", "json", "ops", "ops-cert", "ops-key", "ops-token-file", "ops-pprof",
	"alarm-log", "alarm-webhook", "alarm-webhook-token", "alarm-snmp", "otel",
	"resume", // for one start, and a route is started again by itself
}

// grammar knows the fields of a configuration of several routes: those of a
// route are the flags of its command, with their types, words and texts.
type grammar struct{ root *kong.Node }

// newGrammar returns a grammar with values of its own, which the environment
// does not reach.
func newGrammar(ends endpoint.Table) (*grammar, error) {
	parser, err := newParserWith(&cli{}, stdio{out: io.Discard, err: io.Discard}, ends)
	if err != nil {
		return nil, err
	}
	return &grammar{parser.Model.Node}, nil
}

// findCommand returns the node of a command that runs routes, or nil.
func (g *grammar) findCommand(name string) *kong.Node {
	for _, node := range g.root.Children {
		if node.Name == name {
			return node
		}
	}
	return nil
}

// listDirections returns the commands that a route can name.
func (g *grammar) listDirections() []string {
	var names []string
	for _, node := range g.root.Children {
		switch node.Target.Addr().Interface().(type) {
		case *migrateCmd: // asks a person, and prints steps for one
		case routeCommand:
			names = append(names, node.Name)
		}
	}
	return names
}

// listRouteFields returns the fields of a route with a command.
func (g *grammar) listRouteFields(command string) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(g.findCommand(command).Flags), func(f *kong.Flag) bool {
		return slices.Contains(ofProcess, f.Name)
	})
}

// listProcessFields returns the fields of the process.
func (g *grammar) listProcessFields() []*kong.Flag {
	var all []*kong.Flag
	for _, group := range g.findCommand("run").AllFlags(false) {
		for _, f := range group {
			if !slices.Contains([]string{"help", "version", "config", "plan", "json"}, f.Name) {
				all = append(all, f)
			}
		}
	}
	return all
}

// listEveryRouteField returns the names of all fields that some route can have.
func (g *grammar) listEveryRouteField() []string {
	var names []string
	for _, command := range g.listDirections() {
		names = append(names, namesOf(g.listRouteFields(command))...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func namesOf(flags []*kong.Flag) []string {
	names := make([]string, 0, len(flags))
	for _, f := range flags {
		names = append(names, f.Name)
	}
	return names
}

// expander returns the value of a field with its variables filled in.
type expander func(name, value string) (string, error)

// wrongField is a field with a value that it cannot have.
type wrongField struct {
	name string
	err  error
}

// setFields gives each flag its value in the last of the files that has the
// field, or its default. Fields that are no flag are not looked at.
func setFields(flags []*kong.Flag, expand expander, files ...*settings.File) (wrong []wrongField) {
	for _, f := range flags {
		if err := f.Reset(); err != nil {
			wrong = append(wrong, wrongField{f.Name, err})
			continue
		}
		for _, file := range slices.Backward(files) {
			value := file.Value(f.Name)
			if value == nil {
				continue
			}
			if err := setField(f, value, expand); err != nil {
				wrong = append(wrong, wrongField{f.Name, err})
			}
			break
		}
	}
	return wrong
}

var errOneValue = errors.New("takes one value, and not a list")

func setField(f *kong.Flag, value any, expand expander) (err error) {
	switch v := value.(type) {
	case string:
		if value, err = expand(f.Name, v); err != nil {
			return err
		}
	case []any:
		if !f.IsSlice() {
			return errOneValue
		}
		list := make([]any, len(v))
		for i := range v {
			text, _ := v[i].(string)
			if list[i], err = expand(f.Name, text); err != nil {
				return err
			}
		}
		value = list
	}
	if err := f.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), f.Target); err != nil {
		text := strings.TrimPrefix(err.Error(), f.ShortSummary()+": ")
		return &hint.Error{Err: errors.New(text), Hint: describeFlag(f)}
	}
	if f.Enum != "" {
		word, words := fmt.Sprint(f.Target.Interface()), f.EnumSlice()
		if !slices.Contains(words, word) {
			return &hint.Error{
				Err:  address.NewUnknownError("value", word, words),
				Hint: "say one of " + strings.Join(words, ", "),
			}
		}
	}
	return nil
}

// describeFlag returns the text of a flag as advice.
func describeFlag(f *kong.Flag) string {
	text, _, _ := strings.Cut(f.Help, ". ")
	return "it takes: " + strings.TrimSuffix(strings.ToLower(text[:1])+text[1:], ".")
}
