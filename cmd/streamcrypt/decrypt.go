package main

import "github.com/streamcrypt/streamcrypt/internal/route"

// decryptCmd turns envelopes into plaintext.
type decryptCmd struct {
	sourceFlag
	keyFlags
	toFlags
	readFlags
	Breaker string `placeholder:"N/TIME" group:"Route" help:"Park a place for good when so many messages within TIME are refused as tampered, wrong-key, untrusted or unknown-key: off, or N up to 20; default: 10/60s."`
	Resume  bool   `group:"Route" help:"Let places go on that are parked by an open breaker."`
	State   string `placeholder:"URL" group:"Route" complete:"path" help:"Where the replay check of a stream keeps its memory: the URL of a bucket or of a file; default: the bucket of leases."`
}

// Help is shown by --help.
func (decryptCmd) Help() string {
	return "For example: streamcrypt decrypt --from ${sealed} --to ${plain} --key ${key}"
}

// newRoute implements routeCommand.
func (c *decryptCmd) newRoute() (route.Config, error) {
	config := c.newConfig(c.From)
	c.toFlags.fillIn(&config)
	c.readFlags.fillIn(&config)
	config.State, config.Breaker, config.Resume = c.State, c.Breaker, c.Resume
	return config, nil
}

// Run implements the command.
func (c *decryptCmd) Run(p *program) error { return p.runCommandRoute(route.Decrypt, c, &c.runFlags) }
