package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/contest/contesttest"
)

// sample is a report with plain numbers: the rate of each contender is its
// place in the list times 100.
func sample() *Report {
	r := &Report{Rounds: 3, Disk: &contest.Middle{Low: 1, Median: 2, High: 3}}
	for _, size := range []int{1 << 10, 900 << 10} {
		for i, c := range contenders {
			var turns []Turn
			for round := range 3 {
				turns = append(turns, Turn{Rate: float64(100 * (i + 1)), CPU: float64(i + 1), RSS: 60 + float64(i*round)})
			}
			r.Rows = append(r.Rows, newRow(&c, &load{size: size, messages: 10}, turns))
		}
	}
	r.Synced = r.Rows[:len(contenders)]
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
		"1 KiB: rate of streamcrypt encrypt, async / plain copy, async":                       {3.0 / 2, "met"},
		"1 KiB: rate of streamcrypt encrypt, fast / usual copy":                               {8, "met"},
		"sync always, 1 KiB: rate of streamcrypt encrypt, batch / streamcrypt encrypt, async": {2, "MISSED"},
		"1 KiB: peak memory of streamcrypt":                                                   {76, "MISSED"}, // 60 + 8*2
		"900 KiB: peak memory of streamcrypt":                                                 {76, "met"},
	} {
		f, ok := figures[name]
		if diff := f.Value - want.value; !ok || diff > 1e-9 || diff < -1e-9 || f.DescribeVerdict() != want.verdict {
			t.Errorf("%s: %v, %s; want %v, %s", name, f.Value, f.DescribeVerdict(), want.value, want.verdict)
		}
	}
	r := sample()
	r.Disk.Median = leastSync / 2
	for _, f := range r.listFigures() {
		if strings.HasPrefix(f.Name, "sync") {
			t.Error("a disk that is too fast for the target decides about it")
		}
	}
}

func TestTablesJSONAndPlot(t *testing.T) {
	r := sample()
	var text, saved, second bytes.Buffer
	if err := r.WriteTables(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 900 KiB | plain copy, fast | 700 |", "fdatasync of this disk takes 2.00 ms", "8.00x (8.00-8.00)", "MISSED",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if err := r.WriteJSON(&saved); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "report.json")
	if err := os.WriteFile(name, saved.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	again := &Report{}
	if err := contest.ReadReport(name, again); err != nil {
		t.Fatal(err)
	}
	if err := again.WriteTables(&second); err != nil || second.String() != text.String() {
		t.Errorf("read back it is another report: %v\n%s", err, second.String())
	}
	if err := again.WritePlots(dir); err != nil {
		t.Fatal(err)
	}
	contesttest.CheckPlot(t, filepath.Join(dir, "nats.svg"), bars, 3*2)
	if err := (&Report{}).WritePlots(dir); err == nil {
		t.Error("drew nothing without a word")
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range [][]string{
		{"-sizes", "x"}, {"-sizes", "0"}, {"-sizes", "1048576"}, {"-data", "0"}, {"-rounds", "0"}, {"-messages", "1"},
		{"-with", "--budget=1MiB", "-cpuprofile", "x"},
	} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%v is no error", bad)
		}
	}
	s, err := parseFlags([]string{"-quick", "-sizes", "10240,100"})
	if err != nil || len(s.sizes) != 2 || s.sizes[0] != 100 || s.data != 150e6 || s.sync {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestCopies lets every contender that is ours to write carry messages over a
// real server: all of them arrive, in order.
func TestCopies(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	program := filepath.Join(t.TempDir(), "nats-server")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/nats-io/nats-server/v2").
		CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := startServer(ctx, program, t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	j := job{does: "fill", server: s.url, to: "from", messages: 3100, size: 200}
	if err := s.createStream(ctx, "from"); err != nil {
		t.Fatal(err)
	}
	if err := j.runJob(ctx); err != nil {
		t.Fatal(err)
	}
	want := readAll(ctx, t, s, "from", j.messages)
	for _, c := range contenders {
		if c.ours {
			continue
		}
		copying := j
		name := strings.NewReplacer(" ", "-", ",", "").Replace(c.name)
		copying.does, copying.mode, copying.from, copying.to, copying.consumer = c.does, c.mode, "from", name, name
		if err := s.createStream(ctx, name); err != nil {
			t.Fatal(err)
		}
		if err := copying.runJob(ctx); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := readAll(ctx, t, s, name, j.messages)
		for i := range want {
			if got[i] != name+strings.TrimPrefix(want[i], "from") {
				t.Fatalf("%s: message %d is another", c.name, i)
			}
		}
		held, err := s.js.Stream(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := held.GetMsg(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if batched := msg.Header.Get("Nats-Batch-Id") != ""; batched != (c.mode == batch) {
			t.Errorf("%s: published with the headers %v", c.name, msg.Header)
		}
		info, err := s.js.Consumer(ctx, "from", name)
		if err != nil || info.CachedInfo().AckFloor.Stream != uint64(j.messages) {
			t.Errorf("%s: not all are acknowledged: %v", c.name, err)
		}
	}
	if err := (&job{does: "nothing", server: s.url}).runJob(ctx); err == nil {
		t.Error("a job that does not exist is no error")
	}
}

// readAll returns subjects and payloads of a stream that has want messages.
func readAll(ctx context.Context, t *testing.T, s *server, stream string, want int) []string {
	t.Helper()
	held, err := s.js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	if n := held.CachedInfo().State.Msgs; n != uint64(want) {
		t.Fatalf("stream %s has %d messages, want %d", stream, n, want)
	}
	all := make([]string, want)
	for i := range all {
		msg, err := held.GetMsg(ctx, uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		all[i] = fmt.Sprintf("%s %x", msg.Subject, msg.Data)
	}
	return all
}
