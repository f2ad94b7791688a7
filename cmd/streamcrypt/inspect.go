package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/describe"
)

// inspectCmd shows the parts of envelopes that need no key.
type inspectCmd struct {
	File string `arg:"" optional:"" default:"-" complete:"path" help:"File to read: an envelope, .scx or ndjson; - is standard input."`
	Hex  bool   `help:"The input is one envelope in hex."`
	JSON bool   `help:"Print JSON, one line for each envelope."`
}

// Help is shown by --help.
func (inspectCmd) Help() string {
	return "Nothing of it has been verified; that takes a key: see verify."
}

// errNotAll says that something in the input was no envelope; each has been
// shown with its error.
var errNotAll = errors.New("not all of it is envelopes")

// Run implements the command.
func (c *inspectCmd) Run(p *program) error {
	in, err := c.openInput(p)
	if err != nil {
		return &startError{err}
	}
	defer in.Close() //nolint:errcheck // opened for reading
	var bad, shown int64
	err = describe.Input(p.ctx, in, func(r *describe.Record) error {
		if r.Err != nil {
			bad++
			if r.Number == 0 {
				return r.Err
			}
		}
		shown++
		return c.writeRecord(p.out, r, shown)
	})
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", c.File, err)
	case bad > 0:
		return fmt.Errorf("%s: %d of %d: %w", c.File, bad, shown, errNotAll)
	}
	return nil
}

func (c *inspectCmd) writeRecord(w io.Writer, r *describe.Record, number int64) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	if number > 1 {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	return r.WriteText(w)
}

func (c *inspectCmd) openInput(p *program) (io.ReadCloser, error) {
	in := io.NopCloser(p.in)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		in = f
	}
	if !c.Hex {
		return in, nil
	}
	defer in.Close() //nolint:errcheck // opened for reading
	const most = 4 << 20
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, fmt.Errorf("%s: more than %d bytes of hex", c.File, most)
	}
	envelope, err := hex.DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	if err != nil {
		return nil, fmt.Errorf("%s: not hex", c.File)
	}
	return io.NopCloser(bytes.NewReader(envelope)), nil
}
