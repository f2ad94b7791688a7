package main

import "github.com/streamcrypt/streamcrypt/internal/route"

// decryptCmd turns envelopes into plaintext.
type decryptCmd struct {
	sourceFlag
	keyFlags
	toFlags
	readFlags
	State string `placeholder:"URL" group:"Route" complete:"path" help:"Where the replay check of a stream keeps its memory: the URL of a bucket or of a file; default: the bucket of leases."`
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
	config.State = c.State
	return config, nil
}

// Run implements the command.
func (c *decryptCmd) Run(p *program) error { return p.runCommandRoute(route.Decrypt, c, &c.runFlags) }
