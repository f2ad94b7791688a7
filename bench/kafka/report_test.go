package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/contest/contesttest"
)

// sample is a report with plain numbers: the rate of each contender is its
// place in the list times 100.
func sample() *Report {
	r := &Report{Rounds: 3, Idle: &Idle{Partitions: 1000, Seconds: 60, Ours: 0.03, Franz: 0.01}}
	for _, size := range []int{1 << 10, 1 << 20} {
		for i, c := range contenders {
			l := &load{size: size, partitions: usualPartitions, records: 10}
			var turns []Turn
			for round := range 3 {
				turns = append(turns, Turn{
					Rate: float64(100 * (i + 1)), CPU: float64(i + 1 + round), RSS: 90 + float64(i*round),
				})
			}
			r.Rows = append(r.Rows, newRow(&entry{c, l}, turns))
		}
	}
	return r
}

func TestFigures(t *testing.T) {
	figures := map[string]contest.Figure{}
	for _, f := range sample().listFigures() {
		figures[f.Name] = f
	}
	for name, want := range map[string]struct {
		value   float64
		verdict string
	}{
		"1 KiB: rate of encrypt / franz-go copy":          {100.0 / 300, "MISSED"},
		"1 KiB: rate of decrypt / franz-go copy":          {400.0 / 300, "met"},
		"1 KiB: CPU of encrypt / franz-go copy":           {2.0 / 4, "met"}, // 1/3, 2/4, 3/5
		"1 KiB: rate of encrypt, exactly / at least once": {2, "met"},
		"1 MiB: CPU of decrypt / franz-go copy":           {5.0 / 4, "MISSED"},
		"1 KiB: peak memory":                              {98, "MISSED"}, // 90 + 4*2
		"1000 idle partitions: of a core":                 {3, "MISSED"},
	} {
		f, ok := figures[name]
		if !ok {
			t.Errorf("no figure %q", name)
			continue
		}
		if diff := f.Value - want.value; diff > 1e-9 || diff < -1e-9 || f.DescribeVerdict() != want.verdict {
			t.Errorf("%s: %v, %s; want %v, %s", name, f.Value, f.DescribeVerdict(), want.value, want.verdict)
		}
	}
}

func TestManyFigures(t *testing.T) {
	r := &Report{}
	add := func(name string, partitions int, cpu float64) {
		l := &load{size: 1 << 10, partitions: partitions, records: 1}
		r.Many = append(r.Many, newRow(&entry{contenderNamed(name), l}, []Turn{{CPU: cpu}}))
	}
	add(encryptOnce, 4, 2)
	add(franzPlain, 4, 1)
	add(encryptOnce, 200, 3.2)
	add(franzPlain, 200, 4)
	got := r.listFigures()
	if len(got) != 2 || got[0].Value != 1.6 || !got[0].IsMissed() || got[1].Value != 0.8 || got[1].IsMissed() {
		t.Errorf("%+v", got)
	}
}

func TestTablesAndJSON(t *testing.T) {
	r := sample()
	var text, saved bytes.Buffer
	if err := r.WriteTables(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 1 MiB | 4 | kafka-go Reader/Writer copy |", "MISSED", "1000 partitions without traffic",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if err := r.WriteJSON(&saved); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(name, saved.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	again := &Report{}
	if err := contest.ReadReport(name, again); err != nil {
		t.Fatal(err)
	}
	var second bytes.Buffer
	if err := again.WriteTables(&second); err != nil || second.String() != text.String() {
		t.Errorf("read back it is another report: %v\n%s", err, second.String())
	}
}

// TestPlot draws a report: both files can be read by others, and the SVG has a
// bar for every contender and size.
func TestPlot(t *testing.T) {
	dir := t.TempDir()
	if err := sample().WritePlots(dir); err != nil {
		t.Fatal(err)
	}
	contesttest.CheckPlot(t, filepath.Join(dir, "kafka.svg"), bars, 3*2)
	p, err := os.Open(filepath.Join(dir, "kafka.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	drawn, err := png.Decode(p)
	if err != nil {
		t.Fatal(err)
	}
	dark := 0
	for x := range drawn.Bounds().Dx() {
		for y := range 60 { // the title
			if r, _, _, _ := drawn.At(x, y).RGBA(); r < 0x8000 {
				dark++
			}
		}
	}
	if dark < 100 {
		t.Errorf("the picture's title has %d dark dots", dark)
	}
	if err := (&Report{}).WritePlots(dir); err == nil {
		t.Error("drew nothing without a word")
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range [][]string{
		{"-sizes", "x"}, {"-sizes", "0"}, {"-sizes", "1048577"}, {"-data", "1501"}, {"-rounds", "0"},
		{"-with", "--workers=1", "-cpuprofile", "x"}, {"-latency", "-sizes", "100"},
	} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%v is no error", bad)
		}
	}
	s, err := parseFlags([]string{"-quick", "-sizes", "10240,100"})
	if err != nil || len(s.sizes) != 2 || s.sizes[0] != 100 || s.data != 150e6 {
		t.Errorf("%+v, %v", s, err)
	}
}
