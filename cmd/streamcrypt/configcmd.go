package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/internal/service"
)

// configCmd is about files of several routes.
type configCmd struct {
	Check   configCheckCmd   `cmd:"" help:"Say every mistake in a configuration file of run; open nothing."`
	Schema  configSchemaCmd  `cmd:"" help:"Print the JSON Schema of such a file, for editors."`
	Example configExampleCmd `cmd:"" help:"Print an example of such a file."`
}

// configCheckCmd checks a file.
type configCheckCmd struct {
	File string `arg:"" placeholder:"FILE" complete:"path" help:"The configuration file."`
}

// Run implements the command.
func (c *configCheckCmd) Run(p *program) error {
	content, err := service.ReadFile(c.File)
	if err != nil {
		return &startError{err}
	}
	file, err := readRunFile(c.File, content.Data, p.ends)
	if err != nil {
		return err
	}
	env := route.Env{Log: p.log(), Endpoints: p.ends}
	if err := file.checkRoutes(&file.process, env, memlimit.ReadCgroup(os.DirFS("/"))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s: %d routes, no mistake found\n", c.File, len(file.members))
	return err
}

// configSchemaCmd prints the schema.
type configSchemaCmd struct{}

// Run implements the command.
func (configSchemaCmd) Run(p *program) error {
	g, err := newGrammar(p.ends)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(p.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(g.newSchema())
}

// exampleFile is an example of a configuration of several routes.
//
//go:embed example.yaml
var exampleFile string

// configExampleCmd prints the example.
type configExampleCmd struct{}

// Run implements the command.
func (configExampleCmd) Run(p *program) error {
	_, err := io.WriteString(p.out, exampleFile)
	return err
}
