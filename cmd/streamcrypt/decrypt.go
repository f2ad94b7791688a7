package main

import "github.com/streamcrypt/streamcrypt/internal/route"

// decryptCmd turns envelopes into plaintext.
type decryptCmd struct {
	sourceFlag
	keyFlags
	toFlags
	readFlags
}

// Help is shown by --help.
func (decryptCmd) Help() string {
	return "For example: streamcrypt decrypt --from ${sealed} --to ${plain} --key ${key}"
}

// Run implements the command.
func (c *decryptCmd) Run(p *program) error {
	config := c.newConfig(c.From)
	c.toFlags.fillIn(&config)
	c.readFlags.fillIn(&config)
	return p.runRoute(route.Decrypt, config, &c.runFlags)
}
