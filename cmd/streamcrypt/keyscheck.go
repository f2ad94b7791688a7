package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/internal/keycheck"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// keysCheckCmd says which keys envelopes need.
type keysCheckCmd struct {
	lookFlag
	Key        []string `placeholder:"URL" group:"Keys" complete:"key" help:"A key to try: ${keys}. Without any, the keys that are needed are listed and none is tried."`
	Keystore   string   `placeholder:"URL" group:"Keys" complete:"store" help:"Store of key records for --profile=ref: ${store}."`
	Context    *string  `placeholder:"NAME" group:"Keys" help:"Key context, which some key services want to know; default: the topic or stream, empty for files."`
	Audit      string   `placeholder:"FILE" group:"Keys" complete:"path" help:"Record every key operation in FILE."`
	Sample     int      `placeholder:"N" group:"Extent" help:"Look at N messages of each partition or stream, and search for where they begin to be readable; default: all."`
	Recipients int      `placeholder:"N" group:"Extent" help:"How many recipients an envelope should have; default: as many as there are keys."`
	JSON       bool     `help:"Print JSON."`
	trustFlags
}

// Help is shown by --help.
func (keysCheckCmd) Help() string {
	return "Joins no group, leaves no consumer, and shows no payload. " +
		"Payloads are not opened: verify tells whether they are intact. Exit code 1: something cannot be opened.\n\n" +
		"After a key was lost: streamcrypt keys check --sample 100 --from ${sampled} --key ${key}"
}

// errNotReadable says that not everything can be opened; the report has it in
// detail.
var errNotReadable = errors.New("cannot be opened with these keys")

// Run implements the command.
func (c *keysCheckCmd) Run(p *program) (err error) {
	config := route.Config{From: c.From, Keys: c.Key, KeyStore: c.Keystore, Audit: c.Audit}
	if c.Context != nil {
		config.Context, config.ContextSet = *c.Context, true
	}
	c.trustFlags.fillIn(&config)
	check, err := route.CheckKeys(p.ctx, config, route.CheckOptions{Sample: c.Sample, Recipients: c.Recipients},
		p.newEnv())
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.Join(route.ErrInterrupted, err)
		}
		return &startError{err}
	}
	defer func() { err = errors.Join(err, check.Close()) }()
	reporter := p.watchRoute(&check.Route, p.mode)
	err = check.Run(p.ctx)
	reporter.Stop()
	report := check.Report()
	if failed := c.writeReport(p, report); failed != nil {
		return errors.Join(err, failed)
	}
	if err == nil && !report.AllReadable() {
		return newNotReadable(report)
	}
	return err
}

func (c *keysCheckCmd) writeReport(p *program, r *keycheck.Report) error {
	if c.JSON {
		return json.NewEncoder(p.out).Encode(r)
	}
	return writeCheck(p.out, r)
}

func newNotReadable(r *keycheck.Report) error {
	others := int64(0)
	for _, n := range r.Refused {
		others += n
	}
	if bad := r.Envelopes - r.Readable; r.Tried && bad > 0 {
		return fmt.Errorf("%d of %d envelopes %w", bad, r.Envelopes, errNotReadable)
	}
	return fmt.Errorf("%d of %d messages are no envelopes", others, others+r.Envelopes)
}
