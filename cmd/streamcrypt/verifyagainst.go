package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/proof"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// runComparison compares both sides, and shows and writes the report.
func (c *verifyCmd) runComparison(p *program) error {
	if c.Plan {
		return &startError{hint.New("--plan: a comparison has no plan", "a plan of each side: leave out --against")}
	}
	config, err := c.newRoute()
	if err != nil {
		return err
	}
	signer, err := c.prepareReport(p)
	if err != nil {
		return &startError{err}
	}
	var comparison *route.Comparison
	open := func(ctx context.Context, config route.Config, env route.Env) (*route.Route, error) {
		o := route.CompareOptions{
			Against: c.Against, Passes: c.Passes, Ciphertext: c.Report != "", NoDigests: c.Report == "" && !c.JSON,
		}
		var err error
		if comparison, err = route.Compare(ctx, config, o, env); err != nil {
			return nil, err
		}
		return &comparison.Route, nil
	}
	err = p.runRoute(open, config, &c.runFlags)
	if comparison == nil {
		return err
	}
	report := comparison.Report()
	p.ending.setFields(func(e *ending) {
		if e.run != nil {
			e.run.Comparison = report
		}
	})
	if c.Report != "" {
		err = errors.Join(err, report.WriteFile(c.Report, signer))
	}
	if !c.JSON {
		err = errors.Join(err, writeComparison(p.out, report))
	}
	return err
}

// prepareReport finds out whether the report can be written and signed. The
// signer is nil if nothing is to be signed.
func (c *verifyCmd) prepareReport(p *program) (proof.Signer, error) {
	if c.Report == "" {
		return nil, nil //nolint:nilnil // documented: nothing is to be signed
	}
	if err := proof.CheckFree(c.Report, c.Sign != ""); err != nil || c.Sign == "" {
		return nil, err
	}
	return keyring.LoadSigner(c.Sign, p.log())
}

// maxComparedPlaces is how many places are shown to people.
const maxComparedPlaces = 50

// writeComparison writes a report for people.
func writeComparison(w io.Writer, r *proof.Report) error {
	var text strings.Builder
	rows := [][]string{{"PLACE", "PLAIN", "SEALED", "ALIKE"}}
	for f := range proof.Unplaced {
		rows[0] = append(rows[0], strings.ToUpper(f.String()))
	}
	for i := range r.Places[:min(len(r.Places), maxComparedPlaces)] {
		rows = append(rows, listCounts(r.Places[i].Place, &r.Places[i].Counts))
	}
	if len(r.Places) != 1 {
		rows = append(rows, listCounts("all", &r.Counts))
	}
	writeTable(&text, rows)
	if n := len(r.Places) - maxComparedPlaces; n > 0 {
		fmt.Fprintf(&text, "%d more places: --json and --report have them\n", n)
	}
	for _, line := range listFindings(r) {
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func listCounts(name string, c *proof.Counts) []string {
	row := []string{name, writeCount(c.PlainRecords), writeCount(c.SealedRecords), writeCount(c.Matched)}
	for _, n := range []int64{
		c.Missing, c.Extra, c.Different, c.Reordered, c.Undecryptable, c.Unverifiable, c.Duplicates,
	} {
		row = append(row, writeCount(n))
	}
	return row
}

// listFindings lists the first origins of each finding, and everything that has
// no column.
func listFindings(r *proof.Report) (lines []string) {
	for f := proof.Missing; f <= proof.Unplaced; f++ {
		var names []string
		add := func(origins []proof.Origin) {
			for _, o := range origins {
				name := fmt.Sprintf("%s@%d", o.Place, o.Offset)
				if o.Reason != "" {
					name += " (" + o.Reason + ")"
				}
				names = append(names, name)
			}
		}
		for i := range r.Places {
			add(r.Places[i].Origins[f.String()])
		}
		add(r.Stray[f.String()])
		if len(names) > maxShownOrigins {
			names = append(names[:maxShownOrigins], "...")
		}
		if len(names) > 0 {
			lines = append(lines, f.String()+": "+strings.Join(names, ", "))
		}
	}
	for _, more := range []struct {
		n    int64
		text string
	}{
		{r.Counts.MissingAtEnd, "of those that are missing stand behind the last envelope: are they sealed yet?"},
		{r.Counts.Superseded, "were rightly taken away by compaction"},
		{r.Counts.ExtraHeaders, "have headers that were not sealed"},
	} {
		if more.n > 0 {
			lines = append(lines, fmt.Sprintf("%d %s", more.n, more.text))
		}
	}
	return append(lines, r.Notes...)
}

// maxShownOrigins is how many origins of a finding are shown to people.
const maxShownOrigins = 10
