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
	From       string   `required:"" placeholder:"URL" group:"Route" help:"What to look through: kafka://HOST:PORT/TOPIC, nats://HOST:PORT/STREAM or file:PATH, file:- for standard input."`
	Key        []string `placeholder:"URL" group:"Keys" help:"A key to try: local:FILE, x25519:FILE, rsa:FILE or awskms:ARN. Without any, what is needed is listed and nothing tried."`
	Keystore   string   `placeholder:"URL" group:"Keys" help:"Store of key records for --profile=ref: file:DIR."`
	Context    *string  `placeholder:"NAME" group:"Keys" help:"Key context, which some key services want to know; default: the topic or stream, empty for files."`
	Audit      string   `placeholder:"FILE" group:"Keys" help:"Record every key operation in FILE."`
	Sample     int      `placeholder:"N" group:"Extent" help:"Look at N messages of each partition or stream, and search for where they begin to be readable; default: all."`
	Recipients int      `placeholder:"N" group:"Extent" help:"How many recipients an envelope should have; default: as many as there are keys."`
	JSON       bool     `help:"Print JSON."`
}

// Help is shown by --help.
func (keysCheckCmd) Help() string {
	return "Reads up to what is there now, as no member of a group and without a durable consumer, and shows no payload. " +
		"Payloads are not opened: whether they are intact is what verify says. Exit code 1: something cannot be opened.\n\n" +
		"After a key was lost: streamcrypt keys check --sample 100 --from kafka://localhost:9092/sealed --key local:new.jwk"
}

// errNotReadable says that not everything can be opened; the report has it in detail.
var errNotReadable = errors.New("cannot be opened with these keys")

// Run implements the command.
func (c *keysCheckCmd) Run(p *program) (err error) {
	config := route.Config{From: c.From, Keys: c.Key, KeyStore: c.Keystore, Audit: c.Audit}
	if c.Context != nil {
		config.Context, config.ContextSet = *c.Context, true
	}
	check, err := route.CheckKeys(p.ctx, config, route.CheckOptions{Sample: c.Sample, Recipients: c.Recipients},
		route.Env{Log: p.log, Stdin: p.in, Stdout: p.out})
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.Join(route.ErrInterrupted, err)
		}
		return &startError{err}
	}
	defer func() { err = errors.Join(err, check.Close()) }()
	reporter := p.watch(&check.Route, p.mode)
	err = check.Run(p.ctx)
	reporter.Stop()
	report := check.Report()
	if show := c.show(p, report); show != nil {
		return errors.Join(err, show)
	}
	if err == nil && !report.AllReadable() {
		return notReadable(report)
	}
	return err
}

func (c *keysCheckCmd) show(p *program, r *keycheck.Report) error {
	if c.JSON {
		return json.NewEncoder(p.out).Encode(r)
	}
	return writeCheck(p.out, r)
}

func notReadable(r *keycheck.Report) error {
	others := int64(0)
	for _, n := range r.Refused {
		others += n
	}
	if bad := r.Envelopes - r.Readable; r.Tried && bad > 0 {
		return fmt.Errorf("%d of %d envelopes %w", bad, r.Envelopes, errNotReadable)
	}
	return fmt.Errorf("%d of %d messages are no envelopes", others, others+r.Envelopes)
}
