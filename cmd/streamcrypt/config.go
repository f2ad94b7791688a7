package main

import (
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/settings"
	"github.com/streamcrypt/streamcrypt/internal/service"
)

// configFlag is --config.
type configFlag string

// BeforeResolve implements kong's hook of that name: it reads the file and lets
// kong look up flags in it.
func (c configFlag) BeforeResolve(ctx *kong.Context, path *kong.Path) error {
	name, _ := ctx.FlagValue(path.Flag).(configFlag)
	if command := ctx.Selected(); name == "" || command == nil || command.Hidden {
		return nil
	}
	switch ctx.Selected().Target.Addr().Interface().(type) {
	case *runCmd:
		return resolveRun(ctx, string(name))
	case *configCheckCmd, *configSchemaCmd, *configExampleCmd:
		return nil
	case *doctorCmd:
		if readSeveral(string(name)) != nil {
			return nil // the command reads it
		}
	}
	file, err := settings.Read(string(name))
	if err != nil {
		return err
	}
	ctx.AddResolver(fileResolver{file})
	return nil
}

// readSeveral reads a file of several routes; nil if it is none, or cannot be
// read.
func readSeveral(name string) *settings.Document {
	if name == "" {
		return nil
	}
	content, err := service.ReadFile(name)
	if err != nil {
		return nil
	}
	document, err := settings.ParseDocument(name, content.Data)
	if err != nil || len(document.Routes) == 0 {
		return nil
	}
	return document
}

// resolveRun lets kong look up the fields of the process in a file of several
// routes. A file with a mistake has no such fields here: the command reads it
// again, and says all that is wrong.
func resolveRun(ctx *kong.Context, name string) error {
	content, err := service.ReadFile(name)
	if err != nil {
		return err
	}
	document, err := settings.ParseDocument(name, content.Data)
	if err != nil {
		return &startError{err}
	}
	ctx.AddResolver(kong.ResolverFunc(func(c *kong.Context, path *kong.Path, flag *kong.Flag) (any, error) {
		return fileResolver{document.Process}.Resolve(c, path, flag)
	}))
	return nil
}

// fileResolver gives kong the fields of a file where neither the command line
// nor the environment has a value.
type fileResolver struct{ file *settings.File }

// Validate implements kong.Resolver: it refuses a field that is not a flag of
// any command. A flag of another command is ignored, as it is in the
// environment: one file may serve encrypt and verify.
func (r fileResolver) Validate(app *kong.Application) error {
	var known []string
	for _, command := range app.Leaves(true) {
		known = append(known, listFlags(command)...)
	}
	slices.Sort(known)
	known = slices.DeleteFunc(slices.Compact(known), func(name string) bool { return name == "config" })
	return r.file.Check(known)
}

// Resolve implements kong.Resolver.
func (r fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil //nolint:nilnil // kong's word for: not here
		}
	}
	return r.file.Value(flag.Name), nil
}
