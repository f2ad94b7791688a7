package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report has all measurements of one run.
type Report struct {
	Machine Machine `json:"machine"`
	Broker  string  `json:"broker"`
	Profile string  `json:"profile"`        // of the envelopes
	With    string  `json:"with,omitempty"` // flags of streamcrypt beside the usual ones
	Rounds  int     `json:"rounds"`
	Rows    []Row   `json:"sizes,omitempty"`
	Many    []Row   `json:"partitions,omitempty"`
	Idle    *Idle   `json:"idle,omitempty"`

	IdleTopics *IdleTopics `json:"idle_topics,omitempty"`
	// Floor is the peak of the measuring process in MiB: Linux reports at least
	// that much of a child.
	Floor   float64  `json:"floor"`
	Figures []Figure `json:"figures,omitempty"`
}

// Row has the measurements of one contender with one load.
type Row struct {
	Size       int    `json:"size"`
	Partitions int    `json:"partitions"`
	Records    int    `json:"records"`
	Contender  string `json:"contender"`
	Turns      []Turn `json:"turns"`
	Rate       middle `json:"rate"`
	CPU        middle `json:"cpu"`
	RSS        middle `json:"rss"`
	Broker     middle `json:"broker"`
}

func newRow(e *entry, turns []Turn) Row {
	column := func(of func(Turn) float64) middle {
		var values []float64
		for _, t := range turns {
			values = append(values, of(t))
		}
		return middleOf(values)
	}
	return Row{
		Size: e.load.size, Partitions: e.load.partitions, Records: e.load.records, Contender: e.name, Turns: turns,
		Rate: column(rateOf), CPU: column(cpuOf), RSS: column(rssOf),
		Broker: column(func(t Turn) float64 { return t.Broker }),
	}
}

func rateOf(t Turn) float64 { return t.Rate }
func cpuOf(t Turn) float64  { return t.CPU }
func rssOf(t Turn) float64  { return t.RSS }

// middle is a median, with the least and the most.
type middle struct {
	Low    float64 `json:"low"`
	Median float64 `json:"median"`
	High   float64 `json:"high"`
}

func middleOf(values []float64) middle {
	s := slices.Sorted(slices.Values(values))
	last := len(s) - 1
	return middle{s[0], (s[last/2] + s[len(s)/2]) / 2, s[last]}
}

// compareRows compares two rows, round by round.
func compareRows(a, b *Row, of func(Turn) float64) middle {
	var ratios []float64
	for i := range min(len(a.Turns), len(b.Turns)) {
		ratios = append(ratios, of(a.Turns[i])/of(b.Turns[i]))
	}
	return middleOf(ratios)
}

func readReport(name string) (*Report, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func (r *Report) writeJSON(w io.Writer) error {
	r.Figures = r.listFigures()
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeTables prints the rows as a table of Markdown, and the targets below.
func (r *Report) writeTables(w io.Writer) error {
	fmt.Fprintf(w, "%s; %s in memory on the same machine; profile %s; medians of %d\n",
		r.Machine, r.Broker, r.Profile, r.Rounds)
	if r.With != "" {
		fmt.Fprintf(w, "streamcrypt with %s\n", r.With)
	}
	fmt.Fprintf(w, "no process can show a peak below %.0f MiB\n", r.Floor)
	writeRows(w, r.Rows)
	writeRows(w, r.Many)
	if i := r.Idle; i != nil {
		fmt.Fprintf(w, "\n%d partitions without traffic, %.0f s: streamcrypt %.2f %% of a core, franz-go %.2f %%\n",
			i.Partitions, i.Seconds, 100*i.Ours, 100*i.Franz)
	}
	if i := r.IdleTopics; i != nil {
		fmt.Fprintf(w, "\n%d topics of %d partitions without traffic, %.0f s: %.2f %% of a core (target: less than 2 %%), "+
			"peak %.0f MiB (target: at most 160 MiB)\n", i.Topics, i.Partitions, i.Seconds, 100*i.Core, i.Peak)
	}
	return writeFigures(w, r.listFigures())
}

func writeRows(w io.Writer, rows []Row) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(w, "\n| payload | partitions | contender | msg/s | MB/s | core-s/GB | peak MiB | broker core-s/GB |\n"+
		"|---:|---:|---|---:|---:|---:|---:|---:|\n")
	for i := range rows {
		row := &rows[i]
		size := float64(row.Size) / 1e6
		fmt.Fprintf(w, "| %s | %d | %s | %s | %.1f (%.1f-%.1f) | %.2f (%.2f-%.2f) | %.0f (%.0f-%.0f) | %.2f |\n",
			sizeName(row.Size), row.Partitions, row.Contender, formatThousands(row.Rate.Median),
			row.Rate.Median*size, row.Rate.Low*size, row.Rate.High*size,
			row.CPU.Median, row.CPU.Low, row.CPU.High, row.RSS.Median, row.RSS.Low, row.RSS.High, row.Broker.Median)
	}
}

func writeFigures(w io.Writer, figures []Figure) error {
	if len(figures) == 0 {
		return nil
	}
	var lines strings.Builder
	lines.WriteString("\nfigure\ttarget\tmeasured\t\tverdict\n")
	missed, unsure := 0, 0
	for i := range figures {
		f := &figures[i]
		if f.IsMissed() {
			missed++
		}
		if f.IsUnsure() {
			unsure++
		}
		fmt.Fprintf(&lines, "%s\t%s\t%s\t%s\t%s\n",
			f.Name, f.describeTarget(), formatNumber(f.Value, f.Unit), f.describeSpread(), f.describeVerdict())
	}
	fmt.Fprintf(&lines, "\n%d of %d targets missed; unsure (?), because the target lies within the spread: %d\n",
		missed, len(figures), unsure)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, lines.String()); err != nil {
		return err
	}
	return table.Flush()
}

func sizeName(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

func formatThousands(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%.0fk", v/1000)
	}
	return fmt.Sprintf("%.0f", v)
}
