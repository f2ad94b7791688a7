package progress

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// take returns what has been written since it was called last.
func (b *buffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.b.Reset()
	return b.b.String()
}

func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b buffer
		screen := NewScreen(&b)
		var calls atomic.Int64
		r := Start(Terminal, screen, nil, func() State {
			return State{Done: (calls.Add(1) - 1) << 20, Total: 100 << 20, Bytes: true}
		})
		time.Sleep(10*redraw + redraw/2)
		synctest.Wait()
		if text := b.take(); strings.Count(text, clearLine) != 10 || !strings.Contains(text, "(10/100 MiB, 10 MiB/s)") {
			t.Errorf("after a second: %q", text)
		}

		// A line of the log stands on a line of its own.
		if _, err := screen.Write([]byte("a line\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := screen.Write([]byte("and another\n")); err != nil {
			t.Fatal(err)
		}
		if text, want := b.take(), clearLine+"a line\nand another\n"; text != want {
			t.Errorf("%q, want %q", text, want)
		}

		// Nothing is left of it in the end.
		time.Sleep(redraw)
		synctest.Wait()
		r.Stop()
		if text := b.take(); !strings.HasSuffix(text, clearLine) {
			t.Errorf("at the end: %q", text)
		}
		time.Sleep(time.Minute)
		if text := b.take(); text != "" {
			t.Errorf("after Stop: %q", text)
		}
	})
}

func TestTotals(t *testing.T) {
	for _, c := range []struct {
		name   string
		states []State
		want   string
	}{
		{"unknown", []State{{Done: 7}}, "7/-"},
		{"known later", []State{{Done: 1}, {Done: 2, Total: 8}}, "2/8"},
		{"grows", []State{{Done: 2, Total: 8}, {Done: 3, Total: 9}}, "3/9"},
		{"wrong", []State{{Done: 2, Total: 8}, {Done: 10, Total: 8}}, "2/8"}, // it says no more than that it is not done
		{"unknown again", []State{{Done: 2, Total: 8}, {Done: 3}}, "3/-"},
		{"nothing yet", []State{{}}, "0/-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bytes.Buffer
				l := newLine(NewScreen(&b), State{})
				for _, s := range c.states {
					l.showState(s)
					time.Sleep(redraw)
				}
				lines := strings.Split(b.String(), clearLine)
				if last := lines[len(lines)-1]; !strings.Contains(last, "("+c.want+",") {
					t.Errorf("%q, want %s", last, c.want)
				}
			})
		})
	}
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		var done atomic.Int64
		lag := int64(7)
		r := Start(Auto, NewScreen(&b), slog.New(slog.NewJSONHandler(&b, nil)), func() State {
			return State{Done: done.Load(), Total: 2000, Lag: &lag}
		})
		time.Sleep(time.Millisecond)                                     // so that nothing changes just when a line is due
		for _, now := range []int64{500, 1000, 1000, 1000, 2000, 2000} { // nothing is said while nothing changes
			done.Store(now)
			time.Sleep(logEvery)
		}
		synctest.Wait()
		r.Stop()
		decoder := json.NewDecoder(&b)
		for _, want := range []map[string]any{
			{"messages": 500.0, "of": 2000.0, "per_second": 100.0, "left": "15s", "lag": 7.0},
			{"messages": 1000.0, "of": 2000.0, "per_second": 100.0, "left": "10s"},
			{"messages": 2000.0, "of": 2000.0, "per_second": 66.0, "left": nil}, // of the last 15 seconds,
		} {
			var got map[string]any
			if err := decoder.Decode(&got); err != nil {
				t.Fatal(err)
			}
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("%s: %v, want %v", name, got[name], want[name])
				}
			}
		}
		if decoder.More() {
			t.Error("there are more lines")
		}
	})
}

func TestNone(t *testing.T) {
	r := Start(None, NewScreen(&bytes.Buffer{}), nil, nil)
	r.Stop()
}
