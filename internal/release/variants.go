package main

import (
	"fmt"
	"strings"
)

// variant is one build of the command.
type variant struct {
	system, arch string
	fips         bool // with the Go Cryptographic Module that has been validated
}

// shipped are the variants of a release.
var shipped = []variant{
	{"linux", "amd64", false}, {"linux", "arm64", false}, {"darwin", "amd64", false}, {"darwin", "arm64", false},
	{"linux", "amd64", true}, {"linux", "arm64", true},
}

// fipsModule is the version of the Go Cryptographic Module in FIPS variants:
// the one that lib/fips140/certified.txt of the Go release names.
const fipsModule = "v1.0.0"

func (v variant) String() string {
	name := v.system + "/" + v.arch
	if v.fips {
		name += "/fips140"
	}
	return name
}

// suffix is the variant in names of files.
func (v variant) suffix() string { return strings.ReplaceAll(v.String(), "/", "_") }

// selectVariants returns the variants of these names, or all of them for "".
func selectVariants(names string) ([]variant, error) {
	if names == "" {
		return shipped, nil
	}
	var selected []variant
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, v := range shipped {
			if v.String() == name {
				selected, found = append(selected, v), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no variant %q; there are %v", name, shipped)
		}
	}
	return selected, nil
}
