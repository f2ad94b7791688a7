package main

import (
	"crypto/fips140"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCmd shows what this build is.
type versionCmd struct {
	JSON bool `help:"Print JSON."`
}

// build is what a build is made of.
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
	b := thisBuild()
	if c.JSON {
		return json.NewEncoder(p.out).Encode(b)
	}
	revision := ""
	if b.Revision != "" {
		revision = fmt.Sprintf("\nrevision %s (%s)", b.Revision, b.Time)
		if b.Modified {
			revision += ", modified"
		}
	}
	_, err := fmt.Fprintf(p.out, "streamcrypt %s%s\n%s %s\nfips140  %s\n", b.Version, revision, b.Go, b.Platform, b.FIPS)
	return err
}

func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, FIPS: "off"}
	switch {
	case fips140.Enforced():
		b.FIPS = "only"
	case fips140.Enabled():
		b.FIPS = "on"
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
