// Package contesttest checks charts of contest in tests of its users.
package contesttest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"testing"
)

// CheckPlot fails the test unless each contender's colour is that of its mark
// in the legend of an SVG file, and of one bar in each of so many groups.
func CheckPlot(t *testing.T, name string, colors map[string]color.RGBA, groups int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()           //nolint:errcheck // opened for reading
	rects := map[string]int{} // by colour
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			for _, a := range e.Attr {
				if a.Name.Local == "fill" {
					rects[a.Value]++
				}
			}
		}
	}
	for contender, c := range colors {
		if n := rects[fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)]; n != groups+1 {
			t.Errorf("%s has %d bars and a mark, want %d", contender, n-1, groups)
		}
	}
}
