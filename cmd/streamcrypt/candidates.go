package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/reference"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
)

// completer knows everything that words can become.
type completer struct {
	ends endpoint.Table
	root *kong.Node
}

// completeValue returns the values of a flag or argument that begin with start.
// The tag complete says which they are.
func (c *completer) completeValue(v *kong.Value, start string) []string {
	if v.Enum != "" {
		return filterPrefix(start, slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" }))
	}
	switch v.Tag.Get("complete") {
	case "from":
		return completeEnd(c.endURLs(endpoint.From), start)
	case "look":
		return completeEnd(c.endURLs(endpoint.Look), start)
	case "to":
		return completeEnd(c.endURLs(endpoint.To), start)
	case "dead-letter":
		return completeEnd(c.endURLs(endpoint.DeadLetters), start)
	case "key":
		return completeURL(keyURLs(), start)
	case "store":
		return completeURL([]urlKind{{beginning: keyring.StoreBeginning, isFile: true}}, start)
	case "bind":
		return filterPrefix(start, []string{"header:"})
	case "kind":
		return filterPrefix(start, listGenerated())
	case "help":
		return filterPrefix(start, c.listHelp())
	case "path":
		return completeFile(start)
	}
	return nil
}

// listHelp returns the words that help knows and that are no commands of the
// command help itself.
func (c *completer) listHelp() []string {
	names := listCommands(c.root)
	for _, t := range reference.NewTopics(c.ends) {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// urlKind is one kind of URL that a flag takes.
type urlKind struct {
	beginning string // such as file:
	isFile    bool   // behind beginning stands a local path
	params    []address.Param
}

func (c *completer) endURLs(as endpoint.Role) []urlKind {
	var kinds []urlKind
	for i := range c.ends {
		s := &c.ends[i]
		kinds = append(kinds, urlKind{beginning: s.Beginning(), isFile: s.IsFile, params: s.Params(as)})
	}
	return kinds
}

func keyURLs() []urlKind {
	var kinds []urlKind
	for _, k := range keyring.Kinds() {
		kinds = append(kinds, urlKind{beginning: k.Scheme + ":", isFile: k.IsFile, params: k.Params()})
	}
	return kinds
}

// completeURL returns the URLs that begin with start: first their beginnings,
// then paths, then parameters, then values.
func completeURL(kinds []urlKind, start string) []string {
	var beginnings []string
	for _, k := range kinds {
		if rest, found := strings.CutPrefix(start, k.beginning); found {
			return addPrefix(k.beginning, k.completeRest(rest))
		}
		beginnings = append(beginnings, k.beginning)
	}
	return filterPrefix(start, beginnings)
}

// completeEnd returns the URLs of ends that begin with start. A local file may
// stand without its scheme.
func completeEnd(kinds []urlKind, start string) []string {
	found := completeURL(kinds, start)
	if start == "" || strings.Contains(start, ":") || len(found) > 0 {
		return found
	}
	for _, k := range kinds {
		if k.isFile {
			return k.completeRest(start)
		}
	}
	return nil
}

// completeRest returns everything that can stand behind the beginning of a URL.
func (k *urlKind) completeRest(start string) []string {
	place, query, hasQuery := strings.Cut(start, "?")
	if !hasQuery {
		if k.isFile {
			return completeFile(start)
		}
		return nil
	}
	given := strings.Split(query, "&")
	last := given[len(given)-1]
	kept := place + "?" + strings.TrimSuffix(query, last)
	name, value, hasValue := strings.Cut(last, "=")
	if hasValue {
		return addPrefix(kept+name+"=", k.completeParam(name, value))
	}
	var names []string
	for _, d := range k.params {
		if !slices.ContainsFunc(given[:len(given)-1],
			func(pair string) bool { return strings.HasPrefix(pair, d.Name+"=") }) {
			names = append(names, d.Name+"=")
		}
	}
	return addPrefix(kept, filterPrefix(last, names))
}

// completeParam returns the values of a parameter that begin with start.
func (k *urlKind) completeParam(name, start string) []string {
	i := slices.IndexFunc(k.params, func(d address.Param) bool { return d.Name == name })
	switch {
	case i < 0:
		return nil
	case k.params[i].Values == address.File:
		return completeFile(start)
	}
	return filterPrefix(start, k.params[i].ListWords())
}

// completeFile returns the files that begin with start, folders with a slash
// behind.
func completeFile(start string) []string {
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

func filterPrefix(start string, all []string) []string {
	var out []string
	for _, s := range all {
		if strings.HasPrefix(s, start) {
			out = append(out, s)
		}
	}
	return out
}

func addPrefix(prefix string, all []string) []string {
	for i := range all {
		all[i] = prefix + all[i]
	}
	return all
}
