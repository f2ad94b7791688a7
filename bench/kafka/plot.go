package main

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// canvas is the surface on which a plot is drawn. Lengths are in pixels, y
// grows downwards, and y of a text is its base line.
type canvas interface {
	drawRect(x, y, w, h float64, fill color.RGBA)
	drawText(x, y, size float64, at anchor, s string)
	writeImage(w io.Writer) error
}

// anchor is the end of a text that is at its x.
type anchor int

const (
	begin anchor = iota
	middleOfText
	end
)

// writePlots writes kafka.svg and kafka.png into a folder.
func (r *Report) writePlots(folder string) error {
	if len(r.Rows) == 0 {
		return errors.New("no sizes were measured: nothing to draw")
	}
	p := newChart(r)
	picture, err := newPNG(p.width, p.height)
	if err != nil {
		return err
	}
	for name, c := range map[string]canvas{"kafka.svg": newSVG(p.width, p.height), "kafka.png": picture} {
		p.drawChart(c)
		if err := writeCanvas(filepath.Join(folder, name), c); err != nil {
			return err
		}
	}
	return nil
}

func writeCanvas(name string, c canvas) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return c.writeImage(f)
}

// chart is three panels of bars: a group for each size, a bar for each
// contender.
type chart struct {
	report        *Report
	sizes         []int
	names         []string
	width, height float64
}

const (
	chartWidth  = 1000
	panelHeight = 190
	panelGap    = 46
	leftEdge    = 60
	rightEdge   = 16
	legendLine  = 20
	fontSize    = 12
)

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
	rule  = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
	// bars are the colours of contenders: blues encrypt, greens decrypt, the
	// others are warm.
	bars = map[string]color.RGBA{
		encryptOnce:  {0x1f, 0x5f, 0xa8, 0xff},
		encryptExact: {0x7f, 0xb2, 0xe5, 0xff},
		decryptOnce:  {0x2b, 0x7d, 0x4f, 0xff},
		decryptExact: {0x8f, 0xcf, 0xa8, 0xff},
		franzPlain:   {0xd9, 0x6b, 0x1e, 0xff},
		franzSeal:    {0xf0, 0xb0, 0x70, 0xff},
		kafkaGoPlain: {0x99, 0x8a, 0x80, 0xff},
	}
)

func newChart(r *Report) *chart {
	p := &chart{report: r, width: chartWidth}
	for i := range r.Rows {
		if !slices.Contains(p.sizes, r.Rows[i].Size) {
			p.sizes = append(p.sizes, r.Rows[i].Size)
		}
	}
	for _, c := range contenders {
		if slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Contender == c.name }) {
			p.names = append(p.names, c.name)
		}
	}
	p.height = p.findTop() + 3*(panelHeight+panelGap)
	return p
}

// legendColumns is the number of names in one line of the legend.
const legendColumns = 3

func (p *chart) findTop() float64 {
	lines := (len(p.names) + legendColumns - 1) / legendColumns
	return 34 + float64(lines)*legendLine + 30
}

func (p *chart) drawChart(c canvas) {
	c.drawRect(0, 0, p.width, p.height, paper)
	c.drawText(leftEdge, 24, fontSize+3, begin,
		fmt.Sprint("Topic to topic, 4 partitions, acks=all, one machine with its broker; medians of ", p.report.Rounds))
	for i, name := range p.names {
		x := leftEdge + float64(i%legendColumns)*(p.width-leftEdge)/legendColumns
		y := 44 + float64(i/legendColumns)*legendLine
		c.drawRect(x, y, 11, 11, bars[name])
		c.drawText(x+17, y+10, fontSize, begin, name)
	}
	panels := []struct {
		title string
		of    func(*Row) float64
	}{
		{"payload, MB/s: more is better", func(r *Row) float64 { return r.Rate.Median * float64(r.Size) / 1e6 }},
		{
			"processor time of the client, core-seconds per GB of payload: less is better",
			func(r *Row) float64 { return r.CPU.Median },
		},
		{"peak memory of the client, MiB: less is better", func(r *Row) float64 { return r.RSS.Median }},
	}
	for i, panel := range panels {
		p.drawPanel(c, p.findTop()+float64(i)*(panelHeight+panelGap), panel.title, panel.of)
	}
}

// drawPanel draws one set of bars with its top at y.
func (p *chart) drawPanel(c canvas, y float64, title string, of func(*Row) float64) {
	most := 0.0
	for i := range p.report.Rows {
		most = max(most, of(&p.report.Rows[i]))
	}
	step := niceStep(most)
	full := step * math.Ceil(most/step)
	c.drawText(leftEdge, y-10, fontSize, begin, title)
	for v := 0.0; v <= full+step/2; v += step {
		at := y + panelHeight*(1-v/full)
		c.drawRect(leftEdge, at-0.5, p.width-leftEdge-rightEdge, 1, rule)
		c.drawText(leftEdge-6, at+4, fontSize-1, end, fmt.Sprintf("%g", math.Round(v*100)/100))
	}
	group := (p.width - leftEdge - rightEdge) / float64(len(p.sizes))
	bar := group * 0.86 / float64(len(p.names))
	for i, size := range p.sizes {
		x := leftEdge + group*float64(i) + group*0.07
		for j, name := range p.names {
			row := findRow(p.report.Rows, name, size, usualPartitions)
			if row == nil {
				continue
			}
			h := panelHeight * of(row) / full
			c.drawRect(x+bar*float64(j), y+panelHeight-h, bar*0.88, h, bars[name])
		}
		c.drawText(leftEdge+group*(float64(i)+0.5), y+panelHeight+16, fontSize, middleOfText, sizeName(size))
	}
	c.drawRect(leftEdge, y+panelHeight-0.5, p.width-leftEdge-rightEdge, 1, ink)
}

// niceStep returns 1, 2 or 5 times a power of ten, so that most takes three to
// six steps.
func niceStep(most float64) float64 {
	if most <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most/3)))
	for _, factor := range []float64{5, 2} {
		if power*factor <= most/3 {
			return power * factor
		}
	}
	return power
}
