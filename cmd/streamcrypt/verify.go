package main

import "github.com/streamcrypt/streamcrypt/internal/route"

// verifyCmd opens everything and writes nothing.
type verifyCmd struct {
	lookFlag
	keyFlags
	readFlags
}

// Run implements the command.
func (c *verifyCmd) Run(p *program) error {
	config := c.newConfig(c.From)
	c.readFlags.fillIn(&config)
	return p.runRoute(route.Verify, config, &c.runFlags)
}
