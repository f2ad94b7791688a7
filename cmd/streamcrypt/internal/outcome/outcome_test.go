package outcome

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// unstarted is an error of a command that did nothing.
type unstarted struct{ error }

func (unstarted) NotStarted() bool { return true }

// ends are the ways in which commands end, with the words that follow.
var ends = []struct {
	name     string
	facts    Facts
	word     Word
	complete bool
	sentence string
	level    slog.Level
}{
	{
		"all is well", Facts{Run: &Run{To: "file:x", Counts: Counts{Read: 1234, Written: 1234, BytesRead: 2048}, Took: 1234 * time.Millisecond}},
		Complete, true, "complete: 1,234 read, 1,234 written (2.0 KiB in 1.2s)", slog.LevelInfo,
	},
	{
		"set aside", Facts{Run: &Run{
			To: "file:x", DeadLetters: "file:dead.ndjson", Counts: Counts{Read: 3, Written: 1, SetAside: 2},
			Reasons: Reasons{"tampered": 1, "malformed": 1},
		}},
		Complete, true, "complete: 3 read, 1 written, 2 set aside in file:dead.ndjson (malformed: 1, tampered: 1) (0 bytes in 0s)", slog.LevelWarn,
	},
	{
		"verified", Facts{Run: &Run{Counts: Counts{Read: 3, Duplicates: 1}}},
		Complete, true, "complete: 3 read, 1 that came again (0 bytes in 0s)", slog.LevelInfo,
	},
	{
		"rewrapped", Facts{Run: &Run{To: "x", Counts: Counts{Read: 3, Written: 3}, Rewrap: &Rewrap{Rewrapped: 2, Before: 1}}},
		Complete, true, "complete: 3 read, 3 written, 2 rewrapped, 1 that were before (0 bytes in 0s)", slog.LevelInfo,
	},
	{
		"nothing was there", Facts{Run: &Run{From: "file:in.ndjson"}},
		Complete, true, "nothing to do: there was nothing to read in file:in.ndjson", slog.LevelInfo,
	},
	{
		"a finished checkpoint", Facts{Run: &Run{From: "file:in.ndjson", Checkpointed: true}},
		Complete, true, "nothing to do: earlier runs have carried everything that is in file:in.ndjson", slog.LevelInfo,
	},
	{
		"a signal to a run without an end", Facts{Run: &Run{Stopped: true, Counts: Counts{Read: 3}}},
		Stopped, false, "stopped by a signal: 3 read (0 bytes in 0s); the rest waits in the source", slog.LevelInfo,
	},
	{
		"parked without an error", Facts{Run: &Run{To: "x", Parked: []string{"orders/1", "orders/3"}, Counts: Counts{Read: 1, Written: 1, Parked: 2}}},
		Incomplete, false, "NOT complete: 1 read, 1 written, 2 places parked: orders/1 orders/3 (0 bytes in 0s)", slog.LevelError,
	},
	{
		"parked and stopped", Facts{Run: &Run{Stopped: true, Counts: Counts{Parked: 1}}},
		Incomplete, false, "NOT complete: 0 read, 1 places parked (0 bytes in 0s)", slog.LevelError,
	},
	{
		"deleted before it was read", Facts{Run: &Run{Counts: Counts{Read: 9, Deleted: 1}}},
		Incomplete, false, "NOT complete: 9 read, 1 deleted before they were read (0 bytes in 0s)", slog.LevelError,
	},
	{
		"cut", Facts{Run: &Run{Counts: Counts{Read: 9, Cut: 1}}},
		Incomplete, false, "NOT complete: 9 read, 1 lost by the source (0 bytes in 0s)", slog.LevelError,
	},
	{
		"an error", Facts{Err: io.ErrUnexpectedEOF, Reason: "truncated", Hint: "get it again", Run: &Run{Counts: Counts{Read: 9}}},
		Incomplete, false, "NOT complete: 9 read (0 bytes in 0s)", slog.LevelError,
	},
	{
		"interrupted", Facts{Err: errors.Join(route.ErrInterrupted, io.EOF), Run: &Run{}},
		Interrupted, false, "NOT complete, interrupted: 0 read (0 bytes in 0s)", slog.LevelWarn,
	},
	{
		"interrupted before it began", Facts{Err: errors.Join(route.ErrInterrupted, unstarted{io.EOF})},
		Interrupted, false, "", slog.LevelWarn,
	},
	{
		"taken over", Facts{Err: errors.Join(io.EOF, fmt.Errorf("lane: %w", route.ErrTakenOver)), Run: &Run{}},
		TakenOver, false, "ended, since another process has taken over: 0 read (0 bytes in 0s)", slog.LevelError,
	},
	{
		"the breaker", Facts{Err: route.ErrBreakerOpen, Run: &Run{}},
		BreakerOpen, false, "NOT complete, the breaker is open: 0 read (0 bytes in 0s)", slog.LevelError,
	},
	{"not started", Facts{Err: unstarted{io.EOF}}, NotStarted, false, "", slog.LevelError},
	{"no route, an error", Facts{Err: io.EOF}, Incomplete, false, "", slog.LevelError},
	{"no route, all is well", Facts{}, Complete, false, "", slog.LevelInfo},
}

func TestConclude(t *testing.T) {
	for _, c := range ends {
		t.Run(c.name, func(t *testing.T) {
			o := Conclude(c.facts)
			if o.Word != c.word || o.IsComplete() != c.complete || o.Sentence() != c.sentence {
				t.Errorf("%s, complete %t, %q", o.Word, o.IsComplete(), o.Sentence())
			}
			if (o.Word.Code() == 0) != (o.Word == Complete || o.Word == Stopped) {
				t.Errorf("%s has code %d", o.Word, o.Word.Code())
			}
		})
	}
}

// TestLastLine: what the log says is what the exit code says, at any level.
func TestLastLine(t *testing.T) {
	for _, c := range ends {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			o := Conclude(c.facts)
			if err := o.LogTo(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelError + 1})); err != nil {
				t.Fatal(err)
			}
			if c.facts.Run == nil && c.facts.Err == nil {
				if b.Len() > 0 {
					t.Errorf("something is said: %s", &b)
				}
				return
			}
			var line struct {
				Level                     slog.Level
				Msg, Outcome, Error, Hint string
				Complete                  *bool
				Read, Parked              int64
				Nothing                   bool `json:"nothing_to_do"`
				Code                      int  `json:"exit_code"`
			}
			if err := json.Unmarshal(b.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			ran := c.facts.Run != nil
			switch {
			case line.Level != c.level, line.Outcome != string(c.word), line.Code != c.word.Code(), (line.Msg == "done") != ran,
				(line.Complete != nil) != ran, ran && *line.Complete != c.complete, ran && line.Read != c.facts.Run.Counts.Read,
				(line.Error != "") != (c.facts.Err != nil), line.Hint != c.facts.Hint, line.Nothing != strings.HasPrefix(c.sentence, "nothing"):
				t.Errorf("%s", &b)
			}
		})
	}
}

// TestSchema holds the object and docs/result.schema.json together.
func TestSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/result.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text string) error {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(value)
	}
	next := int64(12)
	for _, c := range ends {
		t.Run(c.name, func(t *testing.T) {
			if c.facts.Run == nil && c.facts.Err == nil {
				return // no command that ends so has --json
			}
			facts := c.facts
			if facts.Run != nil {
				run := *facts.Run
				run.Direction, run.Started = "encrypt", time.Now()
				run.Places = []Place{{Name: "orders/3", Next: &next, ParkedAt: &next, ParkedFor: "tampered", Lag: &next}}
				run.Others = &Counts{Read: 1}
				facts.Run = &run
			}
			o := Conclude(facts)
			var b bytes.Buffer
			if err := o.WriteJSON(&b, "encrypt-orders", "host/1"); err != nil {
				t.Fatal(err)
			}
			if err := validate(b.String()); err != nil {
				t.Errorf("%s: %v", &b, err)
			}
			if strings.Count(b.String(), "\n") != 1 {
				t.Errorf("not one line: %q", b.String())
			}
		})
	}
	for name, text := range map[string]string{
		"a field that nobody knows":    `{"event":"ended","outcome":"stopped","complete":false,"exit_code":0,"x":1}`,
		"complete without counts":      `{"event":"ended","outcome":"complete","complete":true,"exit_code":0}`,
		"complete and a code":          `{"event":"ended","outcome":"incomplete","complete":true,"exit_code":1}`,
		"a success that fails":         `{"event":"ended","outcome":"stopped","complete":false,"exit_code":1}`,
		"a failure that succeeds":      `{"event":"ended","outcome":"interrupted","complete":false,"exit_code":0}`,
		"a word that nobody knows":     `{"event":"ended","outcome":"fine","complete":false,"exit_code":0}`,
		"a place without its counts":   `{"event":"ended","outcome":"stopped","complete":false,"exit_code":0,"places":[{"place":"x"}]}`,
		"a count that is no whole one": `{"event":"ended","outcome":"incomplete","complete":false,"exit_code":1,"set_aside_by_reason":{"tampered":0.5}}`,
		"no event":                     `{"outcome":"stopped","complete":false,"exit_code":0}`,
		"an event that nobody knows":   `{"event":"x","outcome":"stopped","complete":false,"exit_code":0}`,
		"progress without its numbers": `{"event":"progress","route":"r","instance":"i"}`,
		"an error in spite of success": `{"event":"ended","outcome":"stopped","complete":false,"exit_code":0,"error":"x"}`,
	} {
		if validate(text) == nil {
			t.Errorf("%s is valid: %s", name, text)
		}
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 1 << 62: "4.0 EiB",
	} {
		if got := writeSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := groupDigits(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
