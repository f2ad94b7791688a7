package main

import "github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/reference"

// manualCmd prints the page for man. It is for those who make packages.
type manualCmd struct{}

// Run implements the command.
func (manualCmd) Run(p *program) error {
	return reference.WriteManual(p.out, p.parser.Model.Node, reference.NewTopics(p.ends))
}
