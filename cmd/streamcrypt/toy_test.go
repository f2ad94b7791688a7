package main

import (
	"bytes"
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/reference"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// shelf is a toy: every toy://SHELF/BOX is a box of messages in memory.
type shelf map[string]*pipelinetest.MemorySink

// box is an end.
type box struct {
	shelf  shelf
	name   string // of the URL
	path   string
	color  string
	locked bool
}

// scheme is the one place in which the toy is registered.
func (s shelf) scheme() endpoint.Scheme {
	return endpoint.Scheme{
		Name: "toy", Form: "toy://SHELF/BOX", Text: "a box of messages that nobody keeps",
		Plain: "toy://attic/plain", Sealed: "toy://attic/sealed", Copy: "toy://attic/moved",
		Params: func(as endpoint.Role) []address.Param {
			return address.ListParams(func(p *address.Params) { (&box{}).readParams(p, as) })
		},
		Parse: func(a *address.Address, as endpoint.Role) (endpoint.Endpoint, error) {
			b := &box{shelf: s, name: a.String(), path: a.Path}
			p := a.Params()
			b.readParams(p, as)
			return b, p.Check()
		},
		Advice: []hint.Advice{hint.AboutError(fs.ErrPermission, "look for the key of the box under the rug")},
	}
}

func (b *box) readParams(p *address.Params, as endpoint.Role) {
	b.color = p.ReadWord(address.Param{Name: "color", Text: "the color of the box", Words: []string{"red", "green"}, Default: "red"})
	if as.Reads() {
		b.locked = p.ReadBool(address.Param{Name: "locked", Text: "pretend that the box is locked"})
	}
}

func (b *box) Traits() endpoint.Traits {
	return endpoint.Traits{Name: b.name, Identity: "toy " + b.name, Context: b.path, OneLane: true}
}

func (b *box) OpenSource(context.Context, *endpoint.Session) (*endpoint.Source, error) {
	if b.locked {
		return nil, fs.ErrPermission
	}
	source := pipelinetest.NewSource([]string{b.path})
	source.Put(b.path, b.shelf[b.path].Stored()...)
	id, err := endpoint.EncodeIdentity("toy", b.path)
	return &endpoint.Source{
		Source: source, Identity: id, Name: b.name, Ordered: true, Bounded: true, Lanes: 1,
		MeasureProgress: func(settled int64) endpoint.Progress {
			return endpoint.Progress{Done: settled, Unit: endpoint.Messages}
		},
	}, err
}

func (b *box) OpenSink(context.Context, *endpoint.Session, *endpoint.Source) (*endpoint.Sink, error) {
	sink := &pipelinetest.MemorySink{}
	b.shelf[b.path] = sink
	return &endpoint.Sink{Sink: sink, Check: func(*pipeline.Message, int) error { return nil }}, nil
}

// A scheme that is registered in one place has everything: routes, help,
// completion, reference and errors.
func TestToyScheme(t *testing.T) {
	inMistakesFolder(t)
	toys := shelf{}
	table := append(all.Table(), toys.scheme())
	do := func(want int, args ...string) (stdout, said string) {
		t.Helper()
		code, stdout, stderr := runWith(t.Context(), table, args...)
		if code != want {
			t.Errorf("%q: exit code %d, want %d:\n%s", args, code, want, stderr)
		}
		return stdout, spoken(t, stderr)
	}
	says := func(text, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}

	// Routes: from and to another kind of end, within the kind, and the rest.
	do(exitOK, "encrypt", "--key", "local:key.jwk", "--from", "file:in.ndjson", "--to", "toy://attic/sealed?color=green")
	do(exitOK, "verify", "--key", "local:key.jwk", "--from", "toy://attic/sealed")
	do(exitOK, "rewrap", "--old-key", "local:key.jwk", "--key", "local:other.jwk", "--from", "toy://attic/sealed", "--to", "toy://attic/moved")
	do(exitOK, "keys", "check", "--key", "local:other.jwk", "--from", "toy://attic/moved", "--context", "sealed")
	do(exitOK, "decrypt", "--key", "local:other.jwk", "--from", "toy://attic/moved", "--to", "file:-?format=ndjson", "--context", "sealed")
	do(exitOK, "decrypt", "--key", "local:key.jwk", "--from", "toy://attic/sealed", "--to", "toy://attic/opened",
		"--dead-letter", "toy://attic/dead")
	if got := toys["opened"].Stored(); len(got) != 1 || string(got[0].Value) != "v" {
		t.Errorf("opened: %+v", got)
	}
	if got := toys["sealed"].Stored(); len(got) != 1 || bytes.Contains(got[0].Value, []byte("v\"")) || len(got[0].Value) < 100 {
		t.Errorf("sealed: %+v", got)
	}

	// Help.
	text, _ := do(exitOK, "help", "toy")
	says(text, "toy://SHELF/BOX\n    A box of messages that nobody keeps.\n")
	says(text, "  As a source:\n    locked=true|false\n        Pretend that the box is locked. Default: false.\n")
	says(text, "  Always:\n    color=red|green\n        The color of the box. Default: red.\n")
	text, _ = do(exitOK, "help")
	says(text, "file, kafka, nats, toy, keys")
	for _, command := range []string{"encrypt", "verify"} {
		text, _ = do(exitOK, command, "--help")
		says(strings.Join(strings.Fields(text), " "), "or toy://SHELF/BOX")
	}

	// Completion.
	for start, want := range map[string]string{
		"t":                       "toy://\n",
		"toy://attic/x?c":         "toy://attic/x?color=\n",
		"toy://attic/x?color=g":   "toy://attic/x?color=green\n",
		"toy://a/x?color=red&loc": "toy://a/x?color=red&locked=\n",
	} {
		if text, _ := do(exitOK, "__complete", "--", "encrypt", "--from", start); text != want {
			t.Errorf("%s is completed to %q, want %q", start, text, want)
		}
	}

	// The reference.
	var urls bytes.Buffer
	if err := reference.WriteMarkdown(&urls, reference.NewTopics(table)); err != nil {
		t.Fatal(err)
	}
	says(urls.String(), "\n## toy\n\n### `toy://SHELF/BOX`\n\nA box of messages that nobody keeps.\n")
	says(urls.String(), "| `color` | `red\\|green` | red | the color of the box |\n")

	// Errors.
	_, text = do(exitNotStarted, "encrypt", "--key", "local:key.jwk", "--from", "toi://attic/x", "--to", "file:x.scx")
	says(text, `unknown scheme "toi", the nearest known one is "toy"`)
	says(text, "or toy://SHELF/BOX")
	_, text = do(exitNotStarted, "encrypt", "--key", "local:key.jwk", "--from", "zzzz://attic/x", "--to", "file:x.scx")
	says(text, `unknown scheme "zzzz", known are file, kafka, nats, toy`)
	_, text = do(exitNotStarted, "encrypt", "--key", "local:key.jwk", "--from", "toy://attic/x?colour=red", "--to", "file:x.scx")
	says(text, `from: toy://attic/x: unknown parameter "colour", the nearest known one is "color"`)
	says(text, "hint: streamcrypt help toy lists all parameters")
	_, text = do(exitNotStarted, "encrypt", "--key", "local:key.jwk", "--from", "toy://attic/x?locked=true", "--to", "file:x.scx")
	says(text, "hint: look for the key of the box under the rug")
	_, text = do(exitNotStarted, "encrypt", "--key", "local:key.jwk", "--from", "toy://attic/x", "--to", "toy://attic/x")
	says(text, "from and to are the same")
}
