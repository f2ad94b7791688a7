package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

func TestVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		value  float64
		limit  *float64
		spread *[2]float64
		want   string
	}{
		"below":         {1.29, newLimit(1.30), nil, "met"},
		"at":            {1.30, newLimit(1.30), nil, "met"},
		"above":         {1.301, newLimit(1.30), nil, "MISSED"},
		"zero":          {0, newLimit(0), nil, "met"},
		"not zero":      {0.001, newLimit(0), nil, "MISSED"},
		"no target":     {99, nil, &[2]float64{1, 100}, ""},
		"surely below":  {1.2, newLimit(1.30), &[2]float64{1.1, 1.30}, "met"},
		"surely above":  {1.4, newLimit(1.30), &[2]float64{1.31, 1.5}, "MISSED"},
		"perhaps above": {1.29, newLimit(1.30), &[2]float64{1.28, 1.31}, "met ?"},
		"perhaps below": {1.31, newLimit(1.30), &[2]float64{1.29, 1.33}, "MISSED ?"},
	} {
		t.Run(name, func(t *testing.T) {
			f := Figure{Value: test.value, Limit: test.limit, Spread: test.spread}
			if got := f.describeVerdict(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

var report = Report{
	Machine: system.Machine{CPU: "a processor", Cores: 2, Go: "go1", OS: "an/os"},
	Figures: []Figure{
		{Part: "one", Name: "fast", Value: 1.2, Unit: "x", Limit: newLimit(1.3), Note: "a note"},
		{Part: "one", Name: "known", Value: 88, Unit: "B"},
		{Part: "two", Name: "slow", Value: 0.2, Unit: "us", Limit: newLimit(0.1), Spread: &[2]float64{0.05, 0.3}},
	},
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := report.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); len(words) > 0 {
			got = append(got, strings.Join(words, " "))
		}
	}
	want := []string{
		"a processor, 2 cores, go1, an/os",
		"one", "figure target measured verdict",
		"fast <= 1.300x 1.200x met a note",
		"known 88 B",
		"two", "figure target measured verdict",
		"slow <= 0.100 us 0.200 us MISSED ?",
		"1 of 2 targets missed; unsure (?), because the target lies within the spread: 1",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("table:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestJSONKeepsALimitOfZero(t *testing.T) {
	var out bytes.Buffer
	r := Report{Figures: []Figure{{Limit: newLimit(0)}, {}}}
	if err := r.writeJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if l := back.Figures[0].Limit; l == nil || *l != 0 {
		t.Error("a limit of zero is lost")
	}
	if back.Figures[1].Limit != nil {
		t.Error("a limit came from nowhere")
	}
}
