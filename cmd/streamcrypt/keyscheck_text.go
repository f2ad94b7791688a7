package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/streamcrypt/streamcrypt/internal/keycheck"
)

// writeCheck writes a report for people.
func writeCheck(w io.Writer, r *keycheck.Report) error {
	var text strings.Builder
	table(&text, kekRows(r))
	text.WriteByte('\n')
	table(&text, placeRows(r))
	text.WriteByte('\n')
	for _, line := range checkSummary(r) {
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // into memory
}

func kekRows(r *keycheck.Report) [][]string {
	rows := [][]string{{"KEY", "ENVELOPES", "DATA KEYS", "UNWRAPS NOW"}}
	for _, k := range r.KEKs {
		rows = append(rows, []string{k.Name, count(k.Envelopes), count(k.DataKeys), unwraps(r, &k)})
	}
	if r.More > 0 {
		rows = append(rows, []string{"others", count(r.More), "", ""})
	}
	return rows
}

func unwraps(r *keycheck.Report, k *keycheck.KEK) string {
	switch {
	case !r.Tried:
		return "not tried"
	case k.DataKeys == 0:
		return "nothing to unwrap"
	case k.Unwrapped == k.DataKeys:
		return "yes"
	case k.Unwrapped == 0:
		return "no: " + k.Why
	}
	return fmt.Sprintf("%d of %d: %s", k.Unwrapped, k.DataKeys, k.Why)
}

func placeRows(r *keycheck.Report) [][]string {
	rows := [][]string{{"PLACE", "OFFSETS", "ENVELOPES"}}
	if r.Tried {
		rows[0] = append(rows[0], "READABLE", "FIRST READABLE")
	}
	for _, p := range r.Places {
		row := []string{p.Name, span(&p), count(p.Envelopes)}
		if r.Tried {
			row = append(row, count(p.Readable), strings.TrimSpace(offset(p.FirstReadable)+"  "+extent(&p)))
		}
		rows = append(rows, row)
	}
	return rows
}

func span(p *keycheck.Place) string {
	if p.First < 0 {
		return "none"
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// extent says what follows the first readable message, where that is not all.
func extent(p *keycheck.Place) string {
	switch {
	case p.FirstReadable == nil:
		return ""
	case !p.Contiguous() && p.From != nil:
		return fmt.Sprintf("not contiguous: %d changes; all from %d", p.Changes, *p.From)
	case !p.Contiguous():
		return fmt.Sprintf("not contiguous: %d changes, and not to the end", p.Changes)
	case p.From == nil:
		return "not to the end"
	}
	return ""
}

func checkSummary(r *keycheck.Report) []string {
	what := "envelopes"
	if r.Sampled {
		what = "envelopes of a sample"
	}
	lines := []string{fmt.Sprintf("%d %s, not tried: no key is given", r.Envelopes, what)}
	if r.Tried {
		lines[0] = fmt.Sprintf("%d of %d %s can be opened%s", r.Readable, r.Envelopes, what, reasons(r.Unreadable))
	}
	if r.Few > 0 {
		lines = append(lines, fmt.Sprintf("%d have fewer than %d recipients", r.Few, r.Recipients))
	}
	if len(r.Refused) > 0 {
		lines = append(lines, "messages that are no envelopes"+reasons(r.Refused))
	}
	return lines
}

// reasons lists counts by reason.
func reasons(counts map[string]int64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", reason, counts[reason]))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func offset(at *int64) string {
	if at == nil {
		return "none"
	}
	return count(*at)
}
