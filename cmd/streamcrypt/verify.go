package main

import "github.com/streamcrypt/streamcrypt/internal/route"

// verifyCmd opens everything and writes nothing.
type verifyCmd struct {
	lookFlag
	keyFlags
	readFlags
}

// newRoute implements routeCommand.
func (c *verifyCmd) newRoute() (route.Config, error) {
	config := c.newConfig(c.From)
	c.readFlags.fillIn(&config)
	return config, nil
}

// Run implements the command.
func (c *verifyCmd) Run(p *program) error { return p.runCommandRoute(route.Verify, c, &c.runFlags) }
