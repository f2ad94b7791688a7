// Command notices writes NOTICE: the modules that are linked into the command,
// each with its licence and copyright lines.
//
//	go run ./internal/notices                 write NOTICE
//	go run ./internal/notices -texts FILE     write the licences in full
//
// A test fails while NOTICE is stale. Packages and images need the texts in
// full, since most of the licences ask for that.
//
// The program must not guess: a licence that it does not recognise is an error,
// and a person looks at it.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const command = "./cmd/streamcrypt"

func main() {
	texts := flag.String("texts", "", "write the licences in full to this `file` instead")
	flag.Parse()
	if err := run(*texts); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(texts string) error {
	modules, err := listModules()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if texts != "" {
		if err := writeTexts(&out, modules); err != nil {
			return err
		}
		return os.WriteFile(texts, out.Bytes(), 0o644) //nolint:gosec // everybody may read it
	}
	if err := writeNotice(&out, modules); err != nil {
		return err
	}
	return os.WriteFile("NOTICE", out.Bytes(), 0o644) //nolint:gosec // everybody may read it
}

// module is a module that the command is linked with.
type module struct{ path, version, folder string }

// listModules asks the go command, in the folder that it is run in.
func listModules() ([]module, error) {
	format := `{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Version}}{{"\t"}}{{.Dir}}{{end}}{{end}}`
	out, err := exec.Command("go", "list", "-deps", "-f", format, command).Output() //nolint:noctx // it ends with us
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	var modules []module
	for _, line := range slices.Compact(lines) {
		if parts := strings.Split(line, "\t"); len(parts) == 3 {
			modules = append(modules, module{parts[0], parts[1], parts[2]})
		}
	}
	return modules, nil
}

const preamble = `streamcrypt
Copyright the authors of streamcrypt

Licensed under the Apache License, Version 2.0; see LICENSE.

The command is linked with the Go standard library (BSD-3-Clause) and these modules:

`

// writeNotice leaves out versions, so that an update of a module that changes
// nothing here needs no change here.
func writeNotice(out io.Writer, modules []module) error {
	if _, err := io.WriteString(out, preamble); err != nil {
		return err
	}
	for _, m := range modules {
		text, err := m.licenceText()
		if err != nil {
			return err
		}
		licence, err := recogniseLicence(text)
		if err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		line := m.path + " (" + licence + ")"
		if holder := findCopyright(text); holder != "" && licence != apache {
			line += "\n    " + holder
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// writeTexts writes the licences and notices of the modules, each text once
// behind the names of all the files that have it. Half of the modules have one
// of a few, and an image has to carry them.
func writeTexts(out io.Writer, modules []module) error {
	var texts []string
	files := make(map[string][]string) // by their text
	for _, m := range modules {
		for _, pattern := range []string{"LICEN[SC]E*", "COPYING*", "NOTICE*"} {
			names, err := filepath.Glob(filepath.Join(m.folder, pattern))
			if err != nil {
				return err
			}
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				text := string(b)
				if len(files[text]) == 0 {
					texts = append(texts, text)
				}
				title := fmt.Sprintf("==== %s %s: %s\n", m.path, m.version, filepath.Base(name))
				files[text] = append(files[text], title)
			}
		}
	}
	for _, text := range texts {
		if _, err := fmt.Fprintf(out, "%s\n%s\n\n", strings.Join(files[text], ""), text); err != nil {
			return err
		}
	}
	return nil
}

func (m module) licenceText() (string, error) {
	for _, pattern := range []string{"LICEN[SC]E*", "COPYING*"} {
		names, err := filepath.Glob(filepath.Join(m.folder, pattern))
		if err != nil {
			return "", err
		}
		if len(names) > 0 {
			text, err := os.ReadFile(names[0])
			return string(text), err
		}
	}
	return "", fmt.Errorf("%s: no licence in its folder", m.path)
}
