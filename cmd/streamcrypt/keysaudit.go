package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/streamcrypt/streamcrypt/internal/audit"
)

// keysAuditVerifyCmd checks an audit log.
type keysAuditVerifyCmd struct {
	File []string `arg:"" complete:"path" help:"The log, or the files of it after rotation, oldest first."`
	Head string   `placeholder:"HASH" help:"Hash that was the head once: a line with it must be there. Without it, lines that were cut off the end do not show."`
	JSON bool     `help:"Print JSON."`
}

// Help is shown by --help.
func (keysAuditVerifyCmd) Help() string {
	return "Every line has the hash of the one before. The chain is not keyed: everybody who can write the file " +
		"can replace all of it. " +
		"So keep the head elsewhere, as it is printed here and logged when the log is opened and closed. See " +
		"docs/audit.md."
}

// Run implements the command.
func (c *keysAuditVerifyCmd) Run(p *program) error {
	v := &audit.Verifier{}
	if c.Head != "" {
		want, err := audit.ParseHash(c.Head)
		if err != nil {
			return &startError{fmt.Errorf("head: %w", err)}
		}
		v.Want = &want
	}
	for _, name := range c.File {
		if err := verifyFile(v, name); err != nil {
			return err
		}
	}
	if err := v.CheckEnd(); err != nil {
		return err
	}
	return c.writeSummary(p, v.Summary())
}

func verifyFile(v *audit.Verifier, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return &startError{err}
	}
	defer f.Close() //nolint:errcheck // opened for reading
	return v.AddFile(name, f)
}

func (c *keysAuditVerifyCmd) writeSummary(p *program, s audit.Summary) error {
	if c.JSON {
		return json.NewEncoder(p.out).Encode(struct {
			Lines  int64  `json:"lines"`
			First  uint64 `json:"first"`
			Last   uint64 `json:"last"`
			Before string `json:"before,omitempty"`
			Head   string `json:"head"`
			Cuts   int64  `json:"cuts"`
		}{s.Lines, s.First, s.Last, hashBefore(s), s.Head.String(), s.Cuts})
	}
	if s.Lines == 0 {
		_, err := fmt.Fprintln(p.out, "0 lines")
		return err
	}
	text := fmt.Sprintf("%d lines, number %d to %d\n", s.Lines, s.First, s.Last)
	if b := hashBefore(s); b != "" {
		text += fmt.Sprintf("goes on from another file, whose head is %s\n", b)
	}
	if s.Cuts > 0 {
		text += fmt.Sprintf("%d times a crash left part of a line, which was cut off\n", s.Cuts)
	}
	_, err := fmt.Fprintf(p.out, "%shead %s\n", text, s.Head)
	return err
}

// hashBefore returns the hash of the line before the first, if that is in
// another file.
func hashBefore(s audit.Summary) string {
	if s.First <= 1 {
		return ""
	}
	return s.Before.String()
}
