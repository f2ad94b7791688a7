package contest

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Figure is a target and the measured value.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // "x" for a ratio
	// Limit is the most that Value may be or, if AtLeast, the least.
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
}

// IsMissed says that Value is beyond the target.
func (f *Figure) IsMissed() bool {
	if f.AtLeast {
		return f.Value < f.Limit
	}
	return f.Value > f.Limit
}

// IsUnsure says that the target lies within the spread: another run may decide
// otherwise.
func (f *Figure) IsUnsure() bool { return f.Low < f.Limit && f.Limit < f.High }

// DescribeVerdict returns whether the target is met. A question mark says that
// it lies within the spread.
func (f *Figure) DescribeVerdict() string {
	word := "met"
	if f.IsMissed() {
		word = "MISSED"
	}
	if f.IsUnsure() {
		word += " ?"
	}
	return word
}

func (f *Figure) describeTarget() string {
	if f.AtLeast {
		return ">= " + formatNumber(f.Limit, f.Unit)
	}
	return "<= " + formatNumber(f.Limit, f.Unit)
}

func (f *Figure) describeSpread() string {
	if f.Low == f.High {
		return ""
	}
	return fmt.Sprintf("(%s to %s)", formatNumber(f.Low, f.Unit), formatNumber(f.High, f.Unit))
}

func formatNumber(v float64, unit string) string {
	switch unit {
	case "x":
		return fmt.Sprintf("%.2fx", v)
	case "%":
		return fmt.Sprintf("%.2f %%", v)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

// RatioFigure returns the figure of a ratio.
func RatioFigure(name string, m Middle, limit float64, atLeast bool) Figure {
	return Figure{Name: name, Value: m.Median, Unit: "x", Limit: limit, AtLeast: atLeast, Low: m.Low, High: m.High}
}

// WriteFigures prints figures beside their targets.
func WriteFigures(w io.Writer, figures []Figure) error {
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
			f.Name, f.describeTarget(), formatNumber(f.Value, f.Unit), f.describeSpread(), f.DescribeVerdict())
	}
	fmt.Fprintf(&lines, "\n%d of %d targets missed; unsure (?), because the target lies within the spread: %d\n",
		missed, len(figures), unsure)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, lines.String()); err != nil {
		return err
	}
	return table.Flush()
}

// AppendPeak adds the figure of a peak of memory in MiB to all, or raises that
// of the same name if it is the last one.
func AppendPeak(all []Figure, name string, peak, limit float64) []Figure {
	if n := len(all); n == 0 || all[n-1].Name != name {
		all = append(all, Figure{Name: name, Unit: "MiB", Limit: limit})
	}
	f := &all[len(all)-1]
	f.Value = max(f.Value, peak)
	f.Low, f.High = f.Value, f.Value
	return all
}
