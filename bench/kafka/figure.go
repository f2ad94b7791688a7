package main

import "fmt"

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

func (f *Figure) describeVerdict() string {
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

func ratioFigure(name string, m middle, limit float64, atLeast bool) Figure {
	return Figure{Name: name, Value: m.Median, Unit: "x", Limit: limit, AtLeast: atLeast, Low: m.Low, High: m.High}
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

// listFigures returns the targets for which the report has measurements.
func (r *Report) listFigures() []Figure {
	var all []Figure
	compare := func(name, a, b string, size int, of func(Turn) float64, limit float64, atLeast bool) {
		x, y := findRow(r.Rows, a, size, usualPartitions), findRow(r.Rows, b, size, usualPartitions)
		if x != nil && y != nil {
			all = append(all, ratioFigure(name, compareRows(x, y, of), limit, atLeast))
		}
	}
	const small, large = 1 << 10, 1 << 20
	compare("1 KiB: rate of encrypt / franz-go copy", encryptOnce, franzPlain, small, rateOf, 1.3, true)
	compare("1 KiB: rate of decrypt / franz-go copy", decryptOnce, franzPlain, small, rateOf, 1.3, true)
	compare("1 KiB: CPU of encrypt / franz-go copy", encryptOnce, franzPlain, small, cpuOf, 0.65, false)
	compare("1 KiB: CPU of decrypt / franz-go copy", decryptOnce, franzPlain, small, cpuOf, 0.65, false)
	compare("1 KiB: rate of encrypt, exactly / at least once", encryptExact, encryptOnce, small, rateOf, 0.85, true)
	compare("1 KiB: rate of decrypt, exactly / at least once", decryptExact, decryptOnce, small, rateOf, 0.85, true)
	compare("1 MiB: CPU of encrypt / franz-go copy", encryptOnce, franzPlain, large, cpuOf, 0.8, false)
	compare("1 MiB: CPU of decrypt / franz-go copy", decryptOnce, franzPlain, large, cpuOf, 0.8, false)
	return append(append(append(all, r.peakFigures()...), r.manyFigures()...), r.idleFigures()...)
}

// peakFigures returns the largest peak of streamcrypt at each size, over all of
// its commands.
func (r *Report) peakFigures() []Figure {
	var all []Figure
	for i := range r.Rows {
		row := &r.Rows[i]
		if c := contenderNamed(row.Contender); !c.isOurs() {
			continue
		}
		name := sizeName(row.Size) + ": peak memory"
		if n := len(all); n == 0 || all[n-1].Name != name {
			all = append(all, Figure{Name: name, Unit: "MiB", Limit: 96})
		}
		f := &all[len(all)-1]
		f.Value = max(f.Value, row.RSS.High)
		f.Low, f.High = f.Value, f.Value
	}
	return all
}

func (r *Report) manyFigures() []Figure {
	if len(r.Many) == 0 {
		return nil
	}
	most := r.Many[len(r.Many)-1].Partitions
	const size = 1 << 10
	few, many := findRow(r.Many, encryptOnce, size, usualPartitions), findRow(r.Many, encryptOnce, size, most)
	franz := findRow(r.Many, franzPlain, size, most)
	if few == nil || many == nil || franz == nil {
		return nil
	}
	name := fmt.Sprintf("%d partitions: CPU of encrypt / ", most)
	return []Figure{
		ratioFigure(name+"4 partitions", compareRows(many, few, cpuOf), 1.5, false),
		ratioFigure(name+"franz-go copy", compareRows(many, franz, cpuOf), 1, false),
	}
}

func (r *Report) idleFigures() []Figure {
	if r.Idle == nil {
		return nil
	}
	v := 100 * r.Idle.Ours
	name := fmt.Sprintf("%d idle partitions: of a core", r.Idle.Partitions)
	return []Figure{{Name: name, Value: v, Unit: "%", Limit: 2, Low: v, High: v}}
}
