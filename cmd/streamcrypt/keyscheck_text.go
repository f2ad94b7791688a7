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
	writeTable(&text, listKEKs(r))
	text.WriteByte('\n')
	if len(r.Signers) > 0 {
		writeTable(&text, listSigners(r))
		text.WriteByte('\n')
	}
	writeTable(&text, listPlaces(r))
	text.WriteByte('\n')
	for _, line := range summarizeCheck(r) {
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func writeTable(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // into memory
}

func listKEKs(r *keycheck.Report) [][]string {
	rows := [][]string{{"KEY", "ENVELOPES", "DATA KEYS", "UNWRAPS NOW"}}
	for _, k := range r.KEKs {
		rows = append(rows, []string{k.Name, writeCount(k.Envelopes), writeCount(k.DataKeys), describeUnwraps(r, &k)})
	}
	if r.More > 0 {
		rows = append(rows, []string{"others", writeCount(r.More), "", ""})
	}
	return rows
}

func listSigners(r *keycheck.Report) [][]string {
	rows := [][]string{{"SIGNER", "ENVELOPES", "DATA KEYS", "VERIFIES"}}
	for _, s := range r.Signers {
		verifies := fmt.Sprintf("%d of %d", s.Verified, s.DataKeys)
		switch {
		case !s.Trusted:
			verifies = "not trusted: no --signer has this kid"
		case s.DataKeys == 0:
			verifies = "nothing to verify"
		case s.Verified == s.DataKeys:
			verifies = "yes"
		}
		rows = append(rows, []string{s.KID, writeCount(s.Envelopes), writeCount(s.DataKeys), verifies})
	}
	if r.Unsigned > 0 {
		rows = append(rows, []string{"nobody", writeCount(r.Unsigned), "", ""})
	}
	return rows
}

func describeUnwraps(r *keycheck.Report, k *keycheck.KEK) string {
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

func listPlaces(r *keycheck.Report) [][]string {
	rows := [][]string{{"PLACE", "OFFSETS", "ENVELOPES"}}
	if r.Tried {
		rows[0] = append(rows[0], "READABLE", "FIRST READABLE")
	}
	for _, p := range r.Places {
		row := []string{p.Name, writeSpan(&p), writeCount(p.Envelopes)}
		if r.Tried {
			row = append(row, writeCount(p.Readable),
				strings.TrimSpace(writeOffset(p.FirstReadable)+"  "+describeExtent(&p)))
		}
		rows = append(rows, row)
	}
	return rows
}

func writeSpan(p *keycheck.Place) string {
	if p.First < 0 {
		return "none"
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// describeExtent describes the messages behind the first readable one, unless
// all of them are readable.
func describeExtent(p *keycheck.Place) string {
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

func summarizeCheck(r *keycheck.Report) []string {
	noun := "envelopes"
	if r.Sampled {
		noun = "envelopes of a sample"
	}
	lines := []string{fmt.Sprintf("%d %s, not tried: no key is given", r.Envelopes, noun)}
	if r.Tried {
		lines[0] = fmt.Sprintf("%d of %d %s can be opened%s", r.Readable, r.Envelopes, noun, listReasons(r.Unreadable))
	}
	if r.Few > 0 {
		lines = append(lines, fmt.Sprintf("%d have fewer than %d recipients", r.Few, r.Recipients))
	}
	if len(r.Refused) > 0 {
		lines = append(lines, "messages that are no envelopes"+listReasons(r.Refused))
	}
	return lines
}

// listReasons lists counts by reason.
func listReasons(counts map[string]int64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", reason, counts[reason]))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

func writeCount(n int64) string { return strconv.FormatInt(n, 10) }

func writeOffset(at *int64) string {
	if at == nil {
		return "none"
	}
	return writeCount(*at)
}
