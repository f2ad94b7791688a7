package contest

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
)

// Chart is panels of bars: in each panel a group of bars for each load, and in
// each group a bar for each contender.
type Chart struct {
	Title  string
	Groups []string
	Bars   []Bar
	Panels []Panel
}

// Bar is a contender.
type Bar struct {
	Name  string
	Color color.RGBA
}

// Panel is one measurement. Height returns that of a bar in a group, if there
// is one.
type Panel struct {
	Title  string
	Height func(group, bar int) (v float64, ok bool)
}

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

// WriteFiles writes the chart as name.svg and name.png into a folder.
func (c *Chart) WriteFiles(folder, name string) error {
	if len(c.Groups) == 0 {
		return errors.New("nothing was measured: nothing to draw")
	}
	picture, err := newPNG(chartWidth, c.countHeight())
	if err != nil {
		return err
	}
	for kind, on := range map[string]canvas{".svg": newSVG(chartWidth, c.countHeight()), ".png": picture} {
		c.drawChart(on)
		if err := writeCanvas(filepath.Join(folder, name+kind), on); err != nil {
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

const (
	chartWidth  = 1000.0
	panelHeight = 190
	panelGap    = 46
	leftEdge    = 60
	rightEdge   = 16
	legendLine  = 20
	fontSize    = 12
	// legendColumns is the number of names in one line of the legend.
	legendColumns = 3
)

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
	rule  = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
)

func (c *Chart) findTop() float64 {
	lines := (len(c.Bars) + legendColumns - 1) / legendColumns
	return 34 + float64(lines)*legendLine + 30
}

func (c *Chart) countHeight() float64 {
	return c.findTop() + float64(len(c.Panels))*(panelHeight+panelGap)
}

func (c *Chart) drawChart(on canvas) {
	on.drawRect(0, 0, chartWidth, c.countHeight(), paper)
	on.drawText(leftEdge, 24, fontSize+3, begin, c.Title)
	for i, bar := range c.Bars {
		x := leftEdge + float64(i%legendColumns)*(chartWidth-leftEdge)/legendColumns
		y := 44 + float64(i/legendColumns)*legendLine
		on.drawRect(x, y, 11, 11, bar.Color)
		on.drawText(x+17, y+10, fontSize, begin, bar.Name)
	}
	for i := range c.Panels {
		c.drawPanel(on, c.findTop()+float64(i)*(panelHeight+panelGap), &c.Panels[i])
	}
}

// drawPanel draws one set of bars with its top at y.
func (c *Chart) drawPanel(on canvas, y float64, panel *Panel) {
	most := 0.0
	for i := range c.Groups {
		for j := range c.Bars {
			v, _ := panel.Height(i, j)
			most = max(most, v)
		}
	}
	step := niceStep(most)
	full := step * max(1, math.Ceil(most/step))
	on.drawText(leftEdge, y-10, fontSize, begin, panel.Title)
	for v := 0.0; v <= full+step/2; v += step {
		at := y + panelHeight*(1-v/full)
		on.drawRect(leftEdge, at-0.5, chartWidth-leftEdge-rightEdge, 1, rule)
		on.drawText(leftEdge-6, at+4, fontSize-1, end, fmt.Sprintf("%g", math.Round(v*100)/100))
	}
	group := (chartWidth - leftEdge - rightEdge) / float64(len(c.Groups))
	width := group * 0.86 / float64(len(c.Bars))
	for i, name := range c.Groups {
		x := leftEdge + group*float64(i) + group*0.07
		for j := range c.Bars {
			if v, ok := panel.Height(i, j); ok {
				h := panelHeight * v / full
				on.drawRect(x+width*float64(j), y+panelHeight-h, width*0.88, h, c.Bars[j].Color)
			}
		}
		on.drawText(leftEdge+group*(float64(i)+0.5), y+panelHeight+16, fontSize, middleOfText, name)
	}
	on.drawRect(leftEdge, y+panelHeight-0.5, chartWidth-leftEdge-rightEdge, 1, ink)
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
