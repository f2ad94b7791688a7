package main

import (
	"errors"
	"log/slog"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// dictionaryCmd is about dictionaries of zstd.
type dictionaryCmd struct {
	Train dictionaryTrainCmd `cmd:"" help:"Make a dictionary of plaintext messages, for encrypt --compress=zstd."`
}

// dictionaryTrainCmd makes a dictionary.
type dictionaryTrainCmd struct {
	lookFlag
	Out  string `required:"" placeholder:"FILE" complete:"path" help:"The dictionary: a new file. It is made of plaintext, and to be protected like it."`
	Size size   `placeholder:"SIZE" help:"Most bytes of the dictionary; default: 32KiB."`
}

// Help is shown by --help.
func (dictionaryTrainCmd) Help() string {
	return "For example: streamcrypt dictionary train --from ${plain} --out orders.dict"
}

// Run implements the command.
func (c *dictionaryTrainCmd) Run(p *program) (err error) {
	// The keys of a route that seals are no part of this one.
	t, err := route.TrainDictionary(p.ctx, route.Config{From: c.From}, int64(c.Size), p.newEnv())
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.Join(route.ErrInterrupted, err)
		}
		return &startError{err}
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	reporter := p.watchRoute(&t.Route, p.mode)
	started := time.Now()
	err = t.Run(p.ctx)
	reporter.Stop()
	if err != nil {
		return err
	}
	d, err := t.Dictionary()
	if err != nil {
		return err
	}
	if err := writeKey(c.Out, d.Bytes(), false); err != nil {
		return err
	}
	p.log().Info("dictionary made", "messages", t.Snapshot().Messages, "bytes", len(d.Bytes()),
		slog.String("took", time.Since(started).Round(time.Millisecond).String()))
	return nil
}
