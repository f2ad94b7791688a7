package main

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestMessages checks the figures that do not depend on the machine:
// allocations and overhead.
func TestMessages(t *testing.T) {
	figures, err := measureMessages(t.Context(), time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for i := range figures {
		f := &figures[i]
		switch {
		case f.Unit == "x":
			if f.Value <= 0 {
				t.Errorf("%s: ratio %v", f.Name, f.Value)
			}
		case f.Limit == nil:
			t.Errorf("%s has no target", f.Name)
		default:
			counted++
			if f.IsMissed() {
				t.Errorf("%s: %s %s", f.Name, formatNumber(f.Value, f.Unit), f.describeVerdict())
			}
		}
	}
	if counted != 6 {
		t.Errorf("%d figures of allocations and overhead", counted)
	}
}

// TestGate: the messages that are measured come in order, and a Gate with more
// places than its state has room for says so.
func TestGate(t *testing.T) {
	figures, err := measureGate(t.Context(), time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range figures {
		if full := strings.Contains(f.Note, "no room"); full != (i == len(figures)-1) {
			t.Errorf("%s: %s", f.Name, f.Note)
		}
	}
	if len(figures) != 5 {
		t.Errorf("%d figures", len(figures))
	}
}

// TestSigning: a data key is signed once, and verified once by all workers
// together.
func TestSigning(t *testing.T) {
	figures, err := measureSigning(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		if f.Value != 1 {
			t.Errorf("%s: %v %s", f.Name, f.Value, f.Unit)
		}
	}
	if len(figures) != 2 {
		t.Errorf("%d figures", len(figures))
	}
}

func TestAllocsPer(t *testing.T) {
	var keep []byte
	got, err := allocsPer(func(n int) error {
		for range n {
			keep = make([]byte, 100)
		}
		return nil
	}, 1000)
	if err != nil || got < 1 || got > 1.01 {
		t.Errorf("%v allocations of %d bytes, %v", got, len(keep), err)
	}
}

func identity() (pipeline.Transform, error) { return pipelinetest.Identity(), nil }

// allocating makes an object for each message, or for each batch.
type allocating struct {
	pipeline.Transform
	inAppend, inReset bool
	keep              []byte
}

func (a *allocating) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if a.inAppend {
		a.keep = make([]byte, 16)
	}
	return a.Transform.Append(ctx, dst, m)
}

func (a *allocating) Reset() {
	if a.inReset {
		a.keep = make([]byte, 16)
	}
	a.Transform.Reset()
}

func TestCoreAllocations(t *testing.T) {
	// What the runtime allocates differs from run to run by a few objects, in
	// either direction.
	const tolerance = 0.0005
	for name, test := range map[string]struct {
		inAppend, inReset bool
		want              float64
	}{
		"none":          {false, false, 0},
		"one a message": {true, false, 1},
		"one a batch":   {false, true, 1.0 / batchMessages},
	} {
		t.Run(name, func(t *testing.T) {
			c := &core{workers: 2, transform: func() (pipeline.Transform, error) {
				identity := pipelinetest.Identity()
				return &allocating{Transform: identity, inAppend: test.inAppend, inReset: test.inReset}, nil
			}}
			got, err := c.measureAllocs(t.Context())
			if err != nil || math.Abs(got-test.want) > tolerance {
				t.Errorf("%v allocations a message, want %v; %v", got, test.want, err)
			}
		})
	}
}

func TestCoreCountsMessages(t *testing.T) {
	for _, workers := range []int{1, 2} {
		c := &core{workers: workers, transform: identity}
		if err := c.runPipeline(t.Context(), 3); err != nil {
			t.Error(err)
		}
		if err := c.runLoop(t.Context(), 3); err != nil {
			t.Error(err)
		}
	}
}

// TestCheck: a decrypted file that differs anywhere is found.
func TestCheck(t *testing.T) {
	const size = 200_000
	for name, change := range map[string]func([]byte) []byte{
		"":      func(b []byte) []byte { return b },
		"first": func(b []byte) []byte { b[0] ^= 1; return b },
		"last":  func(b []byte) []byte { b[size-1] ^= 1; return b },
		"short": func(b []byte) []byte { return b[:size-1] },
		"long":  func(b []byte) []byte { return append(b, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			r := &race{dir: t.TempDir(), size: size}
			r.tools[0].name = "tool"
			if err := r.fillFile(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(r.plainPath())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(r.outputPath(0), change(b), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.checkOutput(0); (err == nil) != (name == "") {
				t.Errorf("check: %v", err)
			}
		})
	}
}

func TestFileFigure(t *testing.T) {
	r := &race{size: 1 << 30}
	s := time.Second
	laps := [2][]lap{
		{{Usage: system.Usage{Wall: 2 * s, CPU: s}}, {Usage: system.Usage{Wall: 4 * s, CPU: s}}, {Usage: system.Usage{Wall: 6 * s, CPU: s}}},
		{
			{Usage: system.Usage{Wall: s, CPU: 2 * s}, sync: 3 * s},
			{Usage: system.Usage{Wall: 2 * s, CPU: 2 * s}, sync: 6 * s},
			{Usage: system.Usage{Wall: 3 * s, CPU: 2 * s}, sync: 9 * s},
		},
	}
	if f := r.makeFigure("x", laps, false); f.Value != 2 || f.Beside["processor time"] != 0.5 || !f.IsMissed() {
		t.Errorf("%+v", f)
	}
	if f := r.makeFigure("x", laps, true); f.Value != 0.5 || f.IsMissed() {
		t.Errorf("with sync: %+v", f)
	}
	if r.partName() != "1 GiB file" {
		t.Error(r.partName())
	}
}

func TestUnknownPart(t *testing.T) {
	_, err := measureParts(t.Context(), &settings{parts: "core,nothing"})
	if err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("error %v", err)
	}
}

// TestRewrapRace: both transforms carry every message, through either pair of
// ends.
func TestRewrapRace(t *testing.T) {
	figures, err := measureRewrap(t.Context(), time.Nanosecond)
	if err != nil || len(figures) != 4 {
		t.Fatalf("%d figures, %v", len(figures), err)
	}
	for i := range figures {
		if f := &figures[i]; f.Value <= 0 || (f.Limit != nil) != strings.Contains(f.Name, "archive") {
			t.Errorf("%+v", f)
		}
	}
}
