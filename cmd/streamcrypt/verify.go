package main

import "github.com/streamcrypt/streamcrypt/internal/route"

// verifyCmd opens everything and writes nothing.
type verifyCmd struct {
	fromFlags
	openFlags
}

// Run implements the command.
func (c *verifyCmd) Run(p *program) error {
	config := c.config()
	config.Tombstones = c.Tombstones
	return p.runRoute(route.Verify, config)
}
