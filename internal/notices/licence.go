package main

import (
	"errors"
	"strings"
)

const apache = "Apache-2.0"

var errUnknownLicence = errors.New("a licence that is not recognised")

// recogniseLicence returns the SPDX name of a licence's text.
func recogniseLicence(text string) (string, error) {
	words := strings.Join(strings.Fields(text), " ")
	for _, known := range []struct{ phrase, name string }{
		{"Permission is hereby granted, free of charge", "MIT"},
		{"Apache License Version 2.0", apache},
		{"Neither the name of", "BSD-3-Clause"},
		{"Redistributions in binary form must reproduce", "BSD-2-Clause"},
	} {
		if strings.Contains(words, known.phrase) {
			return known.name, nil
		}
	}
	return "", errUnknownLicence
}

// findCopyright returns the first line that names a holder, "" if there is none.
func findCopyright(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Copyright") {
			return line
		}
	}
	return ""
}
