package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Figure is one line of the report.
type Figure struct {
	Part  string  `json:"part"`
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Limit is the most that Value may be; nil: there is no target.
	Limit *float64 `json:"limit,omitempty"`
	// Spread holds the true value in 95 of 100 cases, low and high; nil for a
	// figure that is counted.
	Spread *[2]float64 `json:"spread,omitempty"`
	// Beside helps to read Value: absolute values, and other measurements.
	Beside map[string]float64 `json:"beside,omitempty"`
	Note   string             `json:"note,omitempty"`
}

func newLimit(v float64) *float64 { return &v }

// IsMissed says that there is a target and Value is beyond it.
func (f *Figure) IsMissed() bool { return f.Limit != nil && f.Value > *f.Limit }

// IsUnsure says that the target lies within the spread: another run may decide
// otherwise.
func (f *Figure) IsUnsure() bool {
	return f.Limit != nil && f.Spread != nil && f.Spread[0] <= *f.Limit && *f.Limit < f.Spread[1]
}

func (f *Figure) describeVerdict() string {
	word := "met"
	switch {
	case f.Limit == nil:
		return ""
	case f.IsMissed():
		word = "MISSED"
	}
	if f.IsUnsure() {
		word += " ?"
	}
	return word
}

func (f *Figure) describeTarget() string {
	if f.Limit == nil {
		return ""
	}
	return "<= " + formatNumber(*f.Limit, f.Unit)
}

// formatNumber prints v as precisely as its unit deserves.
func formatNumber(v float64, unit string) string {
	switch unit {
	case "x":
		return fmt.Sprintf("%.3fx", v)
	case "B":
		return fmt.Sprintf("%.0f B", v)
	case "MiB":
		return fmt.Sprintf("%.1f MiB", v)
	case "allocs":
		return fmt.Sprintf("%.4g", v)
	}
	return fmt.Sprintf("%.3f %s", v, unit)
}

// Report has all figures of one run.
type Report struct {
	Machine system.Machine `json:"machine"`
	Figures []Figure       `json:"figures"`
}

func (r *Report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeTable prints one part after the other, a line for each figure.
func (r *Report) writeTable(w io.Writer) error {
	if _, err := fmt.Fprintln(w, r.Machine); err != nil {
		return err
	}
	var lines strings.Builder
	part, missed, unsure := "", 0, 0
	for i := range r.Figures {
		f := &r.Figures[i]
		if f.Part != part {
			part = f.Part
			fmt.Fprintf(&lines, "\n%s\n  figure\ttarget\tmeasured\tverdict\n", part)
		}
		if f.IsMissed() {
			missed++
		}
		if f.IsUnsure() {
			unsure++
		}
		fmt.Fprintf(&lines, "  %s\t%s\t%s\t%s\t%s\n",
			f.Name, f.describeTarget(), formatNumber(f.Value, f.Unit), f.describeVerdict(), f.Note)
	}
	fmt.Fprintf(&lines, "\n%d of %d targets missed; unsure (?), because the target lies within the spread: %d\n",
		missed, r.countTargets(), unsure)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, lines.String()); err != nil {
		return err
	}
	return table.Flush()
}

func (r *Report) countTargets() (n int) {
	for i := range r.Figures {
		if r.Figures[i].Limit != nil {
			n++
		}
	}
	return n
}
