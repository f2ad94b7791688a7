package main

import (
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Report has all measurements of one run.
type Report struct {
	Machine system.Machine `json:"machine"`
	Server  string         `json:"server"`
	Rounds  int            `json:"rounds"`
	Workers int            `json:"workers"`
	With    string         `json:"with,omitempty"` // flags of streamcrypt beside the usual ones
	Rows    []Row          `json:"sizes,omitempty"`
	// Synced has rows of a server with sync_interval: always, and Disk how many
	// milliseconds its disk takes for an fdatasync.
	Synced []Row           `json:"synced,omitempty"`
	Disk   *contest.Middle `json:"disk,omitempty"`
	// Floor is the peak of the measuring process in MiB: Linux reports at least
	// that much of a child.
	Floor   float64          `json:"floor"`
	Figures []contest.Figure `json:"figures,omitempty"`
}

// Row has the measurements of one contender with one load.
type Row struct {
	Size      int            `json:"size"`
	Messages  int            `json:"messages"`
	Contender string         `json:"contender"`
	Turns     []Turn         `json:"turns"`
	Rate      contest.Middle `json:"rate"`
	CPU       contest.Middle `json:"cpu"`
	RSS       contest.Middle `json:"rss"`
	Server    contest.Middle `json:"server"`
}

func newRow(c *contender, l *load, turns []Turn) Row {
	return Row{
		Size: l.size, Messages: l.messages, Contender: c.name, Turns: turns,
		Rate: contest.MiddleOfTurns(turns, rateOf), CPU: contest.MiddleOfTurns(turns, cpuOf),
		RSS:    contest.MiddleOfTurns(turns, func(t Turn) float64 { return t.RSS }),
		Server: contest.MiddleOfTurns(turns, func(t Turn) float64 { return t.Server }),
	}
}

func rateOf(t Turn) float64 { return t.Rate }
func cpuOf(t Turn) float64  { return t.CPU }

// findRow returns the row of a contender, or nil.
func findRow(rows []Row, name string, size int) *Row {
	for i := range rows {
		if r := &rows[i]; r.Contender == name && r.Size == size {
			return r
		}
	}
	return nil
}

// target is the ratio of two contenders' rates that is asked for.
type target struct {
	size  int
	a, b  string
	limit float64 // at least
}

var targets = []target{
	{1 << 10, asyncEncrypt, asyncCopy, 0.92},
	{64 << 10, asyncEncrypt, asyncCopy, 0.90},
	{1 << 10, batchEncrypt, batchCopy, 0.92},
	{64 << 10, batchEncrypt, batchCopy, 0.90},
	{1 << 10, fastEncrypt, fastCopy, 0.92},
	{64 << 10, fastEncrypt, fastCopy, 0.90},
	{1 << 10, fastEncrypt, usualCopy, 1.35},
}

// peaks are the most MiB that streamcrypt may take, by the size of payloads.
var peaks = map[int]float64{1 << 10: 64, 900 << 10: 160}

// leastSync is how many milliseconds an fdatasync takes at least where batches
// are to be that much faster than single messages.
const (
	leastSync  = 1.0
	batchGains = 6.0
)

// listFigures returns the targets for which the report has measurements.
func (r *Report) listFigures() []contest.Figure {
	var all []contest.Figure
	compare := func(prefix string, rows []Row, t target, limit float64) {
		x, y := findRow(rows, t.a, t.size), findRow(rows, t.b, t.size)
		if x == nil || y == nil {
			return
		}
		name := fmt.Sprintf("%s%s: rate of %s / %s", prefix, contest.SizeName(t.size), t.a, t.b)
		all = append(all, contest.RatioFigure(name, contest.CompareTurns(x.Turns, y.Turns, rateOf), limit, true))
	}
	for _, t := range targets {
		compare("", r.Rows, t, t.limit)
	}
	if r.Disk != nil && r.Disk.Median >= leastSync {
		compare("sync always, ", r.Synced, target{size: 1 << 10, a: batchEncrypt, b: asyncEncrypt}, batchGains)
	}
	return append(all, r.peakFigures()...)
}

// peakFigures returns the largest peak of streamcrypt at each size that has a
// target, over all of its commands.
func (r *Report) peakFigures() []contest.Figure {
	var all []contest.Figure
	for i := range r.Rows {
		row := &r.Rows[i]
		limit, ok := peaks[row.Size]
		if c := contenderNamed(row.Contender); !c.ours || !ok {
			continue
		}
		all = contest.AppendPeak(all, contest.SizeName(row.Size)+": peak memory of streamcrypt", row.RSS.High, limit)
	}
	return all
}

func (r *Report) WriteJSON(w io.Writer) error {
	r.Figures = r.listFigures()
	return contest.WriteReport(w, r)
}

// WriteTables prints the rows as tables of Markdown, and the targets below.
func (r *Report) WriteTables(w io.Writer) error {
	fmt.Fprintf(w, "%s; %s on the same machine; %d workers; medians of %d\n",
		r.Machine, r.Server, r.Workers, r.Rounds)
	if r.With != "" {
		fmt.Fprintf(w, "streamcrypt with %s\n", r.With)
	}
	fmt.Fprintf(w, "no process can show a peak below %.0f MiB\n", r.Floor)
	writeRows(w, r.Rows)
	if r.Disk != nil {
		fmt.Fprintf(w, "\nsync_interval: always; an fdatasync of this disk takes %.2f ms (%.2f to %.2f)\n",
			r.Disk.Median, r.Disk.Low, r.Disk.High)
		writeRows(w, r.Synced)
		writeGain(w, r.Synced)
	}
	return contest.WriteFigures(w, r.listFigures())
}

// writeGain prints how much faster batches are on a server that makes every
// write durable.
func writeGain(w io.Writer, rows []Row) {
	x, y := findRow(rows, batchEncrypt, 1<<10), findRow(rows, asyncEncrypt, 1<<10)
	if x == nil || y == nil {
		return
	}
	m := contest.CompareTurns(x.Turns, y.Turns, rateOf)
	fmt.Fprintf(w, "\nrate of %s / %s: %.1fx (%.1f to %.1f)\n", batchEncrypt, asyncEncrypt, m.Median, m.Low, m.High)
}

func writeRows(w io.Writer, rows []Row) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(w, "\n| payload | contender | msg/s | MB/s | / usual copy | µs/msg | peak MiB | server µs/msg |\n"+
		"|---:|---|---:|---:|---:|---:|---:|---:|\n")
	for i := range rows {
		row := &rows[i]
		ratio := ""
		if usual := findRow(rows, usualCopy, row.Size); usual != nil {
			m := contest.CompareTurns(row.Turns, usual.Turns, rateOf)
			ratio = fmt.Sprintf("%.2fx (%.2f-%.2f)", m.Median, m.Low, m.High)
		}
		size := float64(row.Size) / 1e6
		fmt.Fprintf(w, "| %s | %s | %s | %.1f (%.1f-%.1f) | %s | %.1f (%.1f-%.1f) | %.0f (%.0f-%.0f) | %.1f |\n",
			contest.SizeName(row.Size), row.Contender, contest.FormatThousands(row.Rate.Median),
			row.Rate.Median*size, row.Rate.Low*size, row.Rate.High*size, ratio,
			row.CPU.Median, row.CPU.Low, row.CPU.High, row.RSS.Median, row.RSS.Low, row.RSS.High, row.Server.Median)
	}
}
