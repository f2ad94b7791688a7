package main

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// verifyCmd opens everything and writes nothing. With --against it compares the
// plaintext with the envelopes that were made of it.
type verifyCmd struct {
	lookFlag
	keyFlags
	readFlags
	compareFlags
}

// compareFlags are about a comparison.
type compareFlags struct {
	Against string `placeholder:"URL" group:"Comparison" complete:"look" help:"Compare: --from is the plaintext, and these are the envelopes that were made of it. Exit code 1: they differ."`
	Passes  int    `placeholder:"N" group:"Comparison" default:"1" help:"Read both sides N times, for less memory where they have another order; default: 1."`
	Report  string `placeholder:"FILE" group:"Comparison" complete:"path" help:"Write a report for an auditor to FILE."`
	Sign    string `placeholder:"FILE" group:"Comparison" complete:"path" help:"Ed25519 key that signs the report, into FILE.sig: streamcrypt keygen ed25519."`
}

// maxPasses is more than ever helps.
const maxPasses = 1000

// Help is shown by --help.
func (verifyCmd) Help() string {
	return "For example: streamcrypt verify --from ${sealed} --key ${key}\n\n" +
		"To compare: streamcrypt verify --from ${plain} --against ${sealed} --key ${key}"
}

// Validate is called by kong.
func (c *verifyCmd) Validate() error {
	switch {
	case c.Passes < 1 || c.Passes > maxPasses:
		return errors.New("--passes: 1 to 1000 are possible")
	case c.Against != "" && len(c.Accept) > 0:
		return hint.New("--accept: a comparison goes by the places that envelopes name, and other formats name none",
			"leave it out")
	case c.Against == "" && (c.Passes > 1 || c.Report != ""):
		return hint.New("--passes and --report are about a comparison",
			"say --against, and name the plaintext with --from")
	}
	return nil
}

// newRoute implements routeCommand.
func (c *verifyCmd) newRoute() (route.Config, error) {
	config := c.newConfig(c.From)
	c.readFlags.fillIn(&config)
	return config, nil
}

// Run implements the command.
func (c *verifyCmd) Run(p *program) error {
	if c.Against != "" {
		return c.runComparison(p)
	}
	return p.runCommandRoute(route.Verify, c, &c.runFlags)
}
