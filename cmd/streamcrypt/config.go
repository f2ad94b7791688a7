package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/settings"
)

// configFlag is --config.
type configFlag string

// BeforeResolve implements kong's hook of that name: it reads the file and lets kong look up flags in it.
func (c configFlag) BeforeResolve(ctx *kong.Context, path *kong.Path) error {
	name, _ := ctx.FlagValue(path.Flag).(configFlag)
	if name == "" {
		return nil
	}
	file, err := settings.Read(string(name))
	if err != nil {
		return err
	}
	node := ctx.Selected()
	if node == nil {
		return nil // no command, which is an error of its own
	}
	if err := checkFields(file, ctx.Model, node); err != nil {
		return err
	}
	ctx.AddResolver(fileResolver{file})
	return nil
}

// checkFields refuses what is no flag of the command.
func checkFields(file *settings.File, app *kong.Application, command *kong.Node) error {
	known := slices.DeleteFunc(flagNames(command), func(name string) bool { return name == "config" })
	return file.Check(known, func(name string) string {
		for _, other := range app.Children {
			if other != command && slices.Contains(flagNames(other), name) {
				return fmt.Sprintf("it belongs to %s, not to %s", other.Name, command.Name)
			}
		}
		return ""
	})
}

// fileResolver gives kong the fields of a file where neither the command line nor the environment has a value.
type fileResolver struct{ file *settings.File }

// Validate implements kong.Resolver; checkFields has done it.
func (fileResolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (r fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil //nolint:nilnil // kong's word for: not here
		}
	}
	return r.file.Value(flag.Name), nil
}
