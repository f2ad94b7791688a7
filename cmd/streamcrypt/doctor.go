package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/doctor"
	"github.com/streamcrypt/streamcrypt/internal/findings"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/keys"
)

// doctorCmd looks for everything that keeps a route from working.
type doctorCmd struct {
	From       string        `placeholder:"URL" group:"Route" complete:"from" help:"The source of the route: ${ends}. Without a route only the machine and the keys are looked at."`
	To         string        `placeholder:"URL" group:"Route" complete:"to" help:"The destination of the route: ${ends}."`
	As         string        `placeholder:"COMMAND" default:"auto" enum:"auto,encrypt,decrypt,verify" group:"Route" help:"The command that the route is for: encrypt, decrypt or verify; auto: encrypt, or verify without --to."`
	Key        []string      `placeholder:"URL" group:"Keys" complete:"key" help:"A key: ${keys}. May be repeated."`
	Context    *string       `placeholder:"NAME" group:"Binding" help:"Name that every envelope is bound to; default: the topic or stream that holds the ciphertext, empty for files."`
	KeyContext string        `placeholder:"NAME" group:"Keys" help:"Name that data keys are bound to; default: the context."`
	Keystore   string        `placeholder:"URL" group:"Keys" complete:"store" help:"Store of key records for --profile=ref: ${store}."`
	Profile    string        `placeholder:"PROFILE" default:"self" enum:"self,ref" group:"Keys" help:"Where the wrapped data key is: self, or ref."`
	Beside     []string      `placeholder:"FILE" group:"Route" complete:"path" help:"Configuration file of another route, with its fields from, to and key: does it share keys or names? May be repeated."`
	JSON       bool          `help:"Print JSON."`
	MaxSkew    time.Duration `placeholder:"TIME" group:"Binding" help:"How far clocks may differ; default: 5m."`
	Wait       time.Duration `placeholder:"TIME" group:"Run" help:"How long to wait for brokers and key services that are away; default: each is tried once."`
	sinkFlags
	resourceFlags
}

// Help is shown by --help.
func (doctorCmd) Help() string {
	return "Looks at the machine, and with the flags of a route at its ends and keys. It changes nothing. " +
		"Each line is ok, warn or fail, and says what to do. Exit code 1: a line is fail.\n\n" +
		"With -c FILE, a file of streamcrypt run, it looks at every route of the file.\n\n" +
		"For example: streamcrypt doctor --from ${plain} --to ${sealed} --key ${key}"
}

// errUnhealthy says that a line is fail; the report has it in detail.
var errUnhealthy = errors.New("the doctor found something that fails")

// Run implements the command.
func (c *doctorCmd) Run(p *program) error {
	if err := c.check(); err != nil {
		return &startError{err}
	}
	host := doctor.NewHost(kernelEngine)
	host.AllowCore = p.allowsCore
	lines := host.CheckHost()
	if readSeveral(p.settings) != nil {
		found, err := c.examineSeveral(p, host)
		if err != nil {
			return err
		}
		lines = append(lines, found...)
	} else {
		lines = append(lines, c.examine(p, host)...)
	}
	if err := p.ctx.Err(); err != nil {
		return errors.Join(route.ErrInterrupted, err)
	}
	if err := c.writeLines(p.out, lines); err != nil {
		return err
	}
	if doctor.FindWorst(lines) == findings.Fail {
		return errUnhealthy
	}
	return nil
}

// check refuses parts of a route that are not enough to look at.
func (c *doctorCmd) check() error {
	switch {
	case c.From == "" && c.To != "":
		return hint.New("--to without --from", "name both ends, or only keys")
	case c.From != "" && len(c.Key) == 0:
		return hint.New("a route without a key", "name its keys: --key URL")
	case c.From == "" && (len(c.Beside) > 0 || c.Audit != ""):
		return hint.New("--beside and --audit are about a route", "name its ends: --from URL --to URL")
	}
	return nil
}

// examine looks at the route, or at keys alone.
func (c *doctorCmd) examine(p *program, host *doctor.Host) []findings.Line {
	config, direction := c.newConfig()
	if c.From == "" {
		use := keyring.Seal
		if direction != encryptWord {
			use = keyring.Unwrap
		}
		return route.DiagnoseKeys(p.ctx, c.Key, use, keys.Context{Name: config.Context}, host, p.newEnv())
	}
	others, err := c.readBeside()
	var lines []findings.Line
	if err == nil {
		lines, err = route.Diagnose(p.ctx, direction, config, others, host, p.newEnv())
	}
	line := findings.Line{Check: doctor.Configuration, Subject: "route", Level: findings.OK, Found: "it is consistent"}
	if err != nil {
		line.Level, line.Found, line.Remedy = findings.Fail, err.Error(), findHint(err)
	}
	return append([]findings.Line{line}, lines...)
}

const encryptWord, verifyWord = "encrypt", "verify"

// newConfig returns the configuration of the route, and the command that it is
// for.
func (c *doctorCmd) newConfig() (config route.Config, direction string) {
	config = route.Config{
		From: c.From, To: c.To, Keys: c.Key, KeyContext: c.KeyContext, KeyStore: c.Keystore,
		MaxSkew: c.MaxSkew, Wait: &c.Wait,
	}
	c.sinkFlags.fillIn(&config)
	c.resourceFlags.fillIn(&config)
	if c.Context != nil {
		config.Context, config.ContextSet = *c.Context, true
	}
	direction = c.As
	if direction == "auto" {
		direction = encryptWord
		if c.From != "" && c.To == "" {
			direction = verifyWord
		}
	}
	if direction == encryptWord {
		config.Profile = c.Profile
	}
	return config, direction
}

// writeLines writes the report for people or programs.
func (c *doctorCmd) writeLines(w io.Writer, lines []findings.Line) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(newDoctorObject(lines))
	}
	for i := range lines {
		line := &lines[i]
		subject := line.Subject
		if line.Route != "" {
			subject = "route " + line.Route + ": " + subject
		}
		_, err := fmt.Fprintf(w, "%-5s %-17s%s: %s\n", line.Level, line.Check, subject, line.Found)
		if err != nil {
			return err
		}
		if line.Remedy == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%23s%s\n", "", "do: "+line.Remedy); err != nil {
			return err
		}
	}
	return nil
}

// doctorObject is a report as --json prints it: docs/doctor.schema.json.
type doctorObject struct {
	Worst  findings.Level         `json:"worst"`
	Counts map[findings.Level]int `json:"counts"`
	Lines  []findings.Line        `json:"lines"`
}

func newDoctorObject(lines []findings.Line) *doctorObject {
	o := &doctorObject{
		Worst: doctor.FindWorst(lines), Lines: lines,
		Counts: map[findings.Level]int{findings.OK: 0, findings.Warn: 0, findings.Fail: 0},
	}
	for i := range lines {
		o.Counts[lines[i].Level]++
	}
	return o
}
