package main

import (
	"fmt"
	"image/color"
	"slices"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// bars are the colours of contenders: blues encrypt, greens decrypt, the others
// are warm.
var bars = map[string]color.RGBA{
	usualCopy:    {0x99, 0x8a, 0x80, 0xff},
	asyncCopy:    {0xd9, 0x6b, 0x1e, 0xff},
	batchCopy:    {0xe8, 0x92, 0x4a, 0xff},
	fastCopy:     {0xf0, 0xb0, 0x70, 0xff},
	asyncEncrypt: {0x1f, 0x5f, 0xa8, 0xff},
	batchEncrypt: {0x4b, 0x8b, 0xcc, 0xff},
	fastEncrypt:  {0x7f, 0xb2, 0xe5, 0xff},
	asyncDecrypt: {0x2b, 0x7d, 0x4f, 0xff},
	fastDecrypt:  {0x8f, 0xcf, 0xa8, 0xff},
}

// WritePlots writes nats.svg and nats.png into a folder. Rates are beside the
// usual copy's, since messages per second of 100 B and of 900 KiB fit on no
// common scale.
func (r *Report) WritePlots(folder string) error {
	var sizes []int
	c := contest.Chart{
		Title: fmt.Sprint("Stream to stream, one machine with its server; medians of ", r.Rounds),
	}
	for i := range r.Rows {
		if size := r.Rows[i].Size; !slices.Contains(sizes, size) {
			sizes = append(sizes, size)
			c.Groups = append(c.Groups, contest.SizeName(size))
		}
	}
	for _, one := range contenders {
		if slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Contender == one.name }) {
			c.Bars = append(c.Bars, contest.Bar{Name: one.name, Color: bars[one.name]})
		}
	}
	beside := func(of func(Turn) float64) func(row, usual *Row) float64 {
		return func(row, usual *Row) float64 { return contest.CompareTurns(row.Turns, usual.Turns, of).Median }
	}
	for _, panel := range []struct {
		title string
		of    func(row, usual *Row) float64
	}{
		{"messages per second, beside the usual copy: more is better", beside(rateOf)},
		{"processor time of the client for a message, beside the usual copy: less is better", beside(cpuOf)},
		{"peak memory of the client, MiB: less is better", func(row, _ *Row) float64 { return row.RSS.Median }},
	} {
		c.Panels = append(c.Panels, contest.Panel{Title: panel.title, Height: func(group, bar int) (float64, bool) {
			row, usual := findRow(r.Rows, c.Bars[bar].Name, sizes[group]), findRow(r.Rows, usualCopy, sizes[group])
			if row == nil || usual == nil {
				return 0, false
			}
			return panel.of(row, usual), true
		}})
	}
	return c.WriteFiles(folder, "nats")
}
