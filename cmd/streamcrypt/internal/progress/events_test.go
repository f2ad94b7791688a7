package progress

import (
	"encoding/json"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestEvents: an event every few seconds, with the rate of the last ones, and
// in the form of docs/result.schema.json.
func TestEvents(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/result.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var b buffer
		var done atomic.Int64
		lag := int64(40)
		r := StartEvents(&b, "encrypt-orders", "host/1", func() State {
			return State{
				Done: done.Load(), Total: 5000, Lag: &lag, Refused: 2, Parked: 1, Keys: "degraded",
				Places: []Place{{Name: "orders/3", Next: 8812, Lag: &lag}, {Name: "orders/4", Parked: true}},
			}
		})
		time.Sleep(time.Millisecond)
		for _, now := range []int64{1000, 2000, 3000, 3000, 3000, 3000} {
			done.Store(now)
			time.Sleep(logEvery)
		}
		synctest.Wait()
		r.StopAsking()
		r.AwaitReader()
		text := b.take()
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if len(lines) != 6 {
			t.Fatalf("%d lines: %s", len(lines), text)
		}
		for _, line := range lines {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
			if err == nil {
				err = schema.Validate(value)
			}
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		var second, last event
		if json.Unmarshal([]byte(lines[1]), &second) != nil || json.Unmarshal([]byte(lines[5]), &last) != nil {
			t.Fatal("no events")
		}
		if second.Rate < 199 || second.Rate > 201 || second.Left < 14.9 || second.Left > 15.1 || len(second.Places) != 2 {
			t.Errorf("the second one: %s", lines[1])
		}
		if last.Rate != 0 || last.Left != 0 || last.Done != 3000 {
			t.Errorf("after a while without progress: %s", lines[5])
		}
	})
}

// TestEventsWithoutReader: while nobody reads, events are left out, and the end
// of the run does not wait for a reader; only the last word does.
func TestEventsWithoutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		r := StartEvents(to, "encrypt-orders", "host/1", func() State { return State{Done: 1} })
		time.Sleep(5 * logEvery)
		synctest.Wait()
		r.StopAsking()
		go func() {
			r.AwaitReader()
			_ = to.Close()
		}()
		text, err := io.ReadAll(from)
		if n := strings.Count(string(text), "\n"); err != nil || n != 1 {
			t.Errorf("%d events, %v", n, err)
		}
	})
}

// TestPlacesOnTheScreen: below the bar stand troubles and the places with the
// most to go, and nothing of them is left when a line of the log is written.
func TestPlacesOnTheScreen(t *testing.T) {
	var b buffer
	screen := NewScreen(&b)
	l := newLine(screen, State{})
	b.take()
	lag := int64(1200)
	s := State{Done: 5, Total: 100, Refused: 3, Keys: "restricted"}
	for _, name := range []string{"orders/0", "orders/1", "orders/2", "orders/3", "orders/4", "orders/5", strings.Repeat("x", 200)} {
		s.Places = append(s.Places, Place{Name: name, Next: 7, Lag: &lag})
	}
	l.showState(s)
	text := b.take()
	for _, want := range []string{
		"\n  keys: restricted, 3 set aside\n", "\n  orders/0 at 7, 1200 to go\n", "orders/4 at 7, 1200 to go (and 2 more places)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if strings.Contains(text, "orders/5") {
		t.Errorf("too many places: %q", text)
	}
	if _, err := screen.Write([]byte("a line\n")); err != nil {
		t.Fatal(err)
	}
	if text, want := b.take(), clearLine+strings.Repeat(clearAbove, 6)+"a line\n"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
	s.Places = s.Places[6:]
	s.Places = append(s.Places, s.Places[0])
	l.showState(s)
	for _, line := range strings.Split(b.take(), "\n")[1:] {
		if len(line) >= 80 {
			t.Errorf("a line of %d columns", len(line))
		}
	}
}
