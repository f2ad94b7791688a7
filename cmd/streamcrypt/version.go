package main

import (
	"crypto/fips140"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// The words that "make release" links in, so that a release can be built again
// without its repository. Empty: Go takes them from the module or the
// repository.
var releaseVersion, releaseRevision, releaseTime string

// versionFlag is --version.
type versionFlag bool

// IgnoreDefault keeps the flag from being taken from anywhere but the command
// line: others set STREAMCRYPT_VERSION to a version.
func (versionFlag) IgnoreDefault() {}

// BeforeReset implements kong's hook of that name.
func (versionFlag) BeforeReset(ctx *kong.Context) error {
	if err := readBuild().writeText(ctx.Stdout); err != nil {
		return err
	}
	return errShown
}

// versionCmd shows which build this is.
type versionCmd struct {
	JSON bool `help:"Print JSON."`
}

// build says which source a program was built from, and how.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified,omitempty"` // the tree differed from the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
	FIPS     string `json:"fips140"` // off, on or only
}

// Run implements the command.
func (c *versionCmd) Run(p *program) error {
	b := readBuild()
	if c.JSON {
		return json.NewEncoder(p.out).Encode(b)
	}
	return b.writeText(p.out)
}

func (b *build) writeText(w io.Writer) error {
	revision := ""
	if b.Revision != "" {
		revision = fmt.Sprintf("\ncommit   %s (%s)", b.Revision, b.Time)
		if b.Modified {
			revision += ", modified"
		}
	}
	_, err := fmt.Fprintf(w, "streamcrypt %s%s\n%s %s\nfips140  %s\n", b.Version, revision, b.Go, b.Platform, b.FIPS)
	return err
}

func readBuild() *build {
	b := &build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, FIPS: "off"}
	switch {
	case fips140.Enforced():
		b.FIPS = "only"
	case fips140.Enabled():
		b.FIPS = "on"
	}
	if releaseVersion != "" {
		b.Version, b.Revision, b.Time = releaseVersion, releaseRevision, releaseTime
		return b
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
