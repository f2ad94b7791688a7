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
	encryptOnce:  {0x1f, 0x5f, 0xa8, 0xff},
	encryptExact: {0x7f, 0xb2, 0xe5, 0xff},
	decryptOnce:  {0x2b, 0x7d, 0x4f, 0xff},
	decryptExact: {0x8f, 0xcf, 0xa8, 0xff},
	franzPlain:   {0xd9, 0x6b, 0x1e, 0xff},
	franzSeal:    {0xf0, 0xb0, 0x70, 0xff},
	kafkaGoPlain: {0x99, 0x8a, 0x80, 0xff},
}

// WritePlots writes kafka.svg and kafka.png into a folder.
func (r *Report) WritePlots(folder string) error {
	var sizes []int
	c := contest.Chart{
		Title: fmt.Sprint("Topic to topic, 4 partitions, acks=all, one machine with its broker; medians of ", r.Rounds),
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
	for _, panel := range []struct {
		title string
		of    func(*Row) float64
	}{
		{"payload, MB/s: more is better", func(r *Row) float64 { return r.Rate.Median * float64(r.Size) / 1e6 }},
		{
			"processor time of the client, core-seconds per GB of payload: less is better",
			func(r *Row) float64 { return r.CPU.Median },
		},
		{"peak memory of the client, MiB: less is better", func(r *Row) float64 { return r.RSS.Median }},
	} {
		c.Panels = append(c.Panels, contest.Panel{Title: panel.title, Height: func(group, bar int) (float64, bool) {
			row := findRow(r.Rows, c.Bars[bar].Name, sizes[group], usualPartitions)
			if row == nil {
				return 0, false
			}
			return panel.of(row), true
		}})
	}
	return c.WriteFiles(folder, "kafka")
}
