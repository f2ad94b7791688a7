package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/migrate"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// migrateCmd takes a topic and its readers to envelopes.
type migrateCmd struct {
	encryptCmd
	Yes    bool     `group:"Migration" help:"Begin without asking."`
	Reader []string `placeholder:"GROUP" group:"Migration" help:"A group that reads the plaintext; the steps name it. May be repeated."`
	plain  string   // the plaintext, as it is looked at
	sealed string   // the envelopes likewise, when they have been looked at
	flags  []*kong.Flag
	Near   int64 `placeholder:"N" default:"1000" group:"Migration" help:"Offsets of all partitions together between the route and the ends, at which it has caught up."`
	End    bool  `group:"Migration" help:"End when both sides have been compared; by default the route goes on."`
}

// Help is shown by --help.
func (migrateCmd) Help() string {
	return "Shows its plan, asks, makes the destination where --to says create=true, seals everything " +
		"from the beginning, says when it has caught up, has both sides compared, prints the steps that are left, " +
		"and goes on sealing. " +
		"Killed at any time and started again, it goes on. docs/backfill.md has the same with plain commands.\n\n" +
		"For example: streamcrypt migrate --from '${plain}?group=seal' --to '${sealed}?create=true' --key ${key}"
}

// Validate is called by kong.
func (c *migrateCmd) Validate() error {
	switch {
	case c.Near < 0:
		return errors.New("--near must not be negative")
	case c.Format != "cose":
		return errors.New("--format: a migration goes by the places that envelopes name, and other formats name none")
	}
	return nil
}

// measureEvery is the time between two questions about positions and ends.
const measureEvery = time.Second

// Run implements the command.
func (c *migrateCmd) Run(p *program) (err error) {
	p.command = "encrypt" // the route is that of the command, in logs, metrics and plans
	config, err := c.newRoute()
	if err != nil {
		return err
	}
	if c.plain, err = route.LookURL(config, p.newEnv()); err != nil {
		return &startError{err}
	}
	if err := c.showPlan(p, config); err != nil || c.Plan {
		return err
	}
	standing, err := route.OpenStanding(p.ctx, config, p.newEnv())
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.Join(route.ErrInterrupted, err)
		}
		return &startError{err}
	}
	defer func() { err = errors.Join(err, standing.Close()) }()
	return p.runRouteBy(route.Encrypt, config, &c.runFlags, func(r *route.Route, ctx context.Context) error {
		return migrate.Run(ctx, migrate.Options{
			Carry: r.Run, Measure: measurePlaces(standing), Compare: c.compareSides(p, config, standing),
			Tell: func(e migrate.Event) { c.tellStep(p, e) },
			Doubt: func(err error) {
				p.log().Warn("migration: positions and ends are not known; they are asked for again", "error", err)
			},
			Near: c.Near, Every: measureEvery, End: c.End,
		})
	})
}

func measurePlaces(s *route.Standing) func(ctx context.Context) ([]migrate.Place, error) {
	return func(ctx context.Context) ([]migrate.Place, error) {
		found, err := s.Measure(ctx)
		places := make([]migrate.Place, len(found))
		for i := range found {
			places[i] = migrate.Place{
				Name: found[i].Place, Position: found[i].Position, First: found[i].First, End: found[i].End,
			}
		}
		return places, err
	}
}

// showPlan shows the plan of the migration, and asks whether to begin.
func (c *migrateCmd) showPlan(p *program, config route.Config) error {
	if c.JSON && !c.Plan && c.Yes {
		return nil // standard output has one line for each step
	}
	out := p.out
	if c.JSON && !c.Plan {
		out = p.err
	}
	if err := p.showPlanOn(out, config, c.JSON && c.Plan); err != nil {
		return err
	}
	if c.Plan && !c.JSON {
		_, err := io.WriteString(out,
			"\nWhen the route has caught up and both sides have been compared:\n\n"+c.describeSteps(c.plain))
		return err
	}
	if c.Yes || c.Plan {
		return nil
	}
	return p.askToBegin()
}

var errNotAgreed = errors.New("nothing was begun")

// askToBegin asks on a terminal whether to go on.
func (p *program) askToBegin() error {
	in, ok := p.in.(*os.File)
	if !ok || !isTerminal(in) {
		return &startError{hint.New("nobody can be asked whether to begin: standard input is no terminal",
			"look at the plan above, and say --yes")}
	}
	fmt.Fprint(p.err, "Begin? [y/N] ")
	answer := make(chan string, 1)
	go func() { // it ends with the process if nobody answers
		var word string
		_, _ = fmt.Fscanln(in, &word)
		answer <- word
	}()
	select {
	case <-p.ctx.Done():
		return errors.Join(route.ErrInterrupted, errNotAgreed)
	case word := <-answer:
		if strings.EqualFold(word, "y") || strings.EqualFold(word, "yes") {
			return nil
		}
		return &startError{errNotAgreed}
	}
}

// isTerminal tells whether somebody may sit in front of a file.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// tellStep tells of a step: in the log, or with --json as a line on standard
// output. The steps that are left are shown when both sides are equal, or have
// not been compared.
func (c *migrateCmd) tellStep(p *program, e migrate.Event) {
	if c.JSON {
		// The outcome is written to the same output, and fails likewise.
		_ = json.NewEncoder(p.out).Encode(struct {
			Step   migrate.Step    `json:"step"`
			Time   time.Time       `json:"time"`
			Lag    int64           `json:"lag"`
			Places []migrate.Place `json:"places"`
			Text   string          `json:"text,omitempty"`
		}{e.Step, time.Now().UTC(), e.Lag, e.Places, e.Text})
	}
	log, before := p.log(), ""
	switch e.Step {
	case migrate.Copying:
		log.Info("migration: sealing what is there", "offsets", e.Lag, "places", len(e.Places))
		return
	case migrate.CaughtUp:
		log.Info("migration: caught up, and following", "lag", e.Lag, "places", len(e.Places))
		return
	case migrate.Differs:
		log.Error("migration: the envelopes are not those of the plaintext: do not cut over", "found", e.Text)
		return
	case migrate.NotVerified:
		log.Warn("migration: both sides were not compared", "cause", e.Text)
		before = c.describeComparison(e.Text)
	case migrate.Verified:
		log.Info("migration: both sides are equal up to where it had caught up", "found", e.Text)
	}
	if !c.JSON {
		_, _ = io.WriteString(p.out, "\n"+before+c.describeSteps(c.plain))
	}
}
