package main

import (
	"errors"
	"slices"
	"strings"
)

const apache = "Apache-2.0"

var errUnknownLicence = errors.New("a licence that is not recognised")

// recogniseLicence returns the SPDX names of the licences in a text.
func recogniseLicence(text string) (string, error) {
	words := strings.Join(strings.Fields(text), " ")
	var names []string
	for _, known := range []struct{ phrase, name string }{
		{"Neither the name of", "BSD-3-Clause"},
		{"Redistributions in binary form must reproduce", "BSD-2-Clause"},
		{"Permission is hereby granted, free of charge", "MIT"},
		{"Apache License Version 2.0", apache},
		{"Apache License, Version 2.0", apache},
	} {
		if strings.Contains(words, known.phrase) && !slices.Contains(names, known.name) {
			names = append(names, known.name)
		}
	}
	if len(names) > 1 && names[0] == "BSD-3-Clause" && names[1] == "BSD-2-Clause" {
		names = slices.Delete(names, 1, 2) // the longer one has the shorter one's phrase too
	}
	if names == nil {
		return "", errUnknownLicence
	}
	return strings.Join(names, " and "), nil
}

// findCopyright returns the first line that names a holder, "" if there is
// none.
func findCopyright(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Copyright") {
			return line
		}
	}
	return ""
}
