package main

import "github.com/streamcrypt/streamcrypt/internal/route"

// decryptCmd turns envelopes into plaintext.
type decryptCmd struct {
	fromFlags
	toFlags
	openFlags
}

// Help is shown by --help.
func (decryptCmd) Help() string {
	return "For example: streamcrypt decrypt --from file:orders.scx --to file:orders.ndjson --key local:key.jwk"
}

// Run implements the command.
func (c *decryptCmd) Run(p *program) error {
	config := c.config()
	c.apply(&config)
	config.Tombstones = c.Tombstones
	return p.runRoute(route.Decrypt, config)
}
