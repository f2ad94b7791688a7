package main

import (
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/describe"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// peekCmd shows the parts of a few envelopes of a topic or a stream that need
// no key.
type peekCmd struct {
	URL    string `arg:"" complete:"look" help:"The topic or stream."`
	Count  int    `short:"n" placeholder:"N" default:"5" help:"How many messages to show, of all partitions."`
	Oldest bool   `help:"Show the first messages instead of the last ones."`
	JSON   bool   `help:"Print JSON, one line for each envelope."`
}

// maxPeekCount bounds the memory.
const maxPeekCount = 1000

// Help is shown by --help.
func (peekCmd) Help() string {
	return "Joins no group, leaves no consumer, and shows no payload. " +
		"Nothing of it has been verified; that takes a key: see verify."
}

// Validate is called by kong.
func (c *peekCmd) Validate() error {
	if c.Count < 1 || c.Count > maxPeekCount {
		return fmt.Errorf("--count: %d messages: 1 to %d are possible", c.Count, maxPeekCount)
	}
	return nil
}

// Run implements the command.
func (c *peekCmd) Run(p *program) error {
	var bad, shown int64
	writer := inspectCmd{JSON: c.JSON}
	o := route.PeekOptions{From: c.URL, Count: c.Count, Oldest: c.Oldest}
	err := route.Peek(p.ctx, o, p.newEnv(), func(m *pipeline.Message, sealed []byte, failed error) error {
		r := describe.Message(m, sealed, failed)
		if r.Err != nil {
			bad++
		}
		shown++
		return writer.writeRecord(p.out, r, shown)
	})
	switch {
	case err != nil && p.ctx.Err() != nil:
		return errors.Join(route.ErrInterrupted, err)
	case err != nil && shown == 0:
		return &startError{err}
	case err != nil:
		return err
	case bad > 0:
		return fmt.Errorf("%d of %d: %w", bad, shown, errNotAll)
	case shown == 0:
		p.log().Info("there is no message")
	}
	return nil
}
