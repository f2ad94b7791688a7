package main

import (
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Report has all measurements of one run.
type Report struct {
	Machine  system.Machine `json:"machine"`
	Broker   string         `json:"broker"`
	Profile  string         `json:"profile"`            // of the envelopes
	With     string         `json:"with,omitempty"`     // flags of streamcrypt beside the usual ones
	TLS      bool           `json:"tls,omitempty"`      // between contenders and broker
	OneCore  bool           `json:"one_core,omitempty"` // for each contender, and one for the broker
	Rounds   int            `json:"rounds"`
	Rows     []Row          `json:"sizes,omitempty"`
	Many     []Row          `json:"partitions,omitempty"`
	Backfill []Row          `json:"backfill,omitempty"`
	Idle     *Idle          `json:"idle,omitempty"`

	IdleTopics *IdleTopics `json:"idle_topics,omitempty"`
	Latency    []Latency   `json:"latency,omitempty"`
	// Floor is the peak of the measuring process in MiB: Linux reports at least
	// that much of a child.
	Floor   float64          `json:"floor"`
	Figures []contest.Figure `json:"figures,omitempty"`
}

// Row has the measurements of one contender with one load.
type Row struct {
	Size       int            `json:"size"`
	Partitions int            `json:"partitions"`
	Records    int            `json:"records"`
	Contender  string         `json:"contender"`
	Turns      []Turn         `json:"turns"`
	Rate       contest.Middle `json:"rate"`
	CPU        contest.Middle `json:"cpu"`
	RSS        contest.Middle `json:"rss"`
	Broker     contest.Middle `json:"broker"`
}

func newRow(e *entry, turns []Turn) Row {
	return Row{
		Size: e.load.size, Partitions: e.load.partitions, Records: e.load.records, Contender: e.name, Turns: turns,
		Rate: contest.MiddleOfTurns(turns, rateOf), CPU: contest.MiddleOfTurns(turns, cpuOf),
		RSS:    contest.MiddleOfTurns(turns, rssOf),
		Broker: contest.MiddleOfTurns(turns, func(t Turn) float64 { return t.Broker }),
	}
}

func rateOf(t Turn) float64 { return t.Rate }
func cpuOf(t Turn) float64  { return t.CPU }
func rssOf(t Turn) float64  { return t.RSS }

// compareRows compares two rows, round by round.
func compareRows(a, b *Row, of func(Turn) float64) contest.Middle {
	return contest.CompareTurns(a.Turns, b.Turns, of)
}

// findRow returns the row of a contender, or nil.
func findRow(rows []Row, name string, size, partitions int) *Row {
	for i := range rows {
		if r := &rows[i]; r.Contender == name && r.Size == size && r.Partitions == partitions {
			return r
		}
	}
	return nil
}

func (r *Report) WriteJSON(w io.Writer) error {
	r.Figures = r.listFigures()
	return contest.WriteReport(w, r)
}

// WriteTables prints the rows as a table of Markdown, and the targets below.
func (r *Report) WriteTables(w io.Writer) error {
	fmt.Fprintf(w, "%s; %s in memory on the same machine; profile %s; medians of %d\n",
		r.Machine, r.Broker, r.Profile, r.Rounds)
	if r.TLS {
		fmt.Fprintln(w, "all speak TLS with the broker, except the ceiling")
	}
	if r.OneCore {
		fmt.Fprintln(w, "one processor for each contender, another one for the broker")
	}
	if r.With != "" {
		fmt.Fprintf(w, "streamcrypt with %s\n", r.With)
	}
	fmt.Fprintf(w, "no process can show a peak below %.0f MiB\n", r.Floor)
	writeRows(w, r.Rows)
	writeRows(w, r.Many)
	writeRows(w, r.Backfill)
	writeLatency(w, r.Latency)
	if i := r.Idle; i != nil {
		fmt.Fprintf(w, "\n%d partitions without traffic, %.0f s: streamcrypt %.2f %% of a core, franz-go %.2f %%\n",
			i.Partitions, i.Seconds, 100*i.Ours, 100*i.Franz)
	}
	if i := r.IdleTopics; i != nil {
		fmt.Fprintf(w, "\n%d topics of %d partitions without traffic, %.0f s: "+
			"%.2f %% of a core (target: less than 2 %%), peak %.0f MiB (target: at most 160 MiB)\n",
			i.Topics, i.Partitions, i.Seconds, 100*i.Core, i.Peak)
	}
	return contest.WriteFigures(w, r.listFigures())
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
			contest.SizeName(row.Size), row.Partitions, row.Contender, contest.FormatThousands(row.Rate.Median),
			row.Rate.Median*size, row.Rate.Low*size, row.Rate.High*size,
			row.CPU.Median, row.CPU.Low, row.CPU.High, row.RSS.Median, row.RSS.Low, row.RSS.High, row.Broker.Median)
	}
}
