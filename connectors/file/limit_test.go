package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// limitHour is the time of the first of the messages below.
var limitHour = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)

func hours(n int) Limit { return Limit{Time: limitHour.Add(time.Duration(n) * time.Hour)} }

// timedFile has the messages 0 to 5, one an hour; 3 has no time.
func timedFile(t *testing.T, f variant) string {
	path := temp(t, "in"+f.ext)
	var msgs []pipeline.Message
	for i := range 6 {
		m := pipeline.Message{Value: fmt.Append(nil, i), Time: hours(i).Time}
		if i == 3 && f.format == format.NDJSON {
			m.Time = time.Time{}
		}
		msgs = append(msgs, m)
	}
	if err := write(t, sinkOptions(path, f.format), msgs...); err != nil {
		t.Fatal(err)
	}
	return path
}

func joinValues(msgs []pipeline.Message) string {
	var values []string
	for i := range msgs {
		values = append(values, string(msgs[i].Value))
	}
	return strings.Join(values, " ")
}

func TestLimits(t *testing.T) {
	for _, f := range variants() {
		path := timedFile(t, f)
		for _, c := range []struct {
			start, until Limit
			want         string
		}{
			{Limit{}, Limit{Record: 6}, "0 1 2 3 4 5"},
			{Limit{Record: 2}, Limit{Record: 4}, "2 3"},
			{Limit{Record: 2}, Limit{Record: 2}, ""},
			{Limit{Record: 9}, Limit{Record: 20}, ""},
			{Limit{}, Limit{Record: 0}, ""},
			{hours(2), Limit{Record: 9}, "2 3 4 5"},
			{hours(-5), hours(20), "0 1 2 3 4 5"},
			{hours(1), hours(4), "1 2 3"},
			{Limit{Record: 1}, hours(2), "1"},
			{hours(20), hours(30), ""},
		} {
			o := sourceOptions(path, f.format)
			o.Start, o.Until = c.start, &c.until
			got, err := read(t, o)
			if err != nil || joinValues(got) != c.want {
				t.Errorf("%s from %v to %v: got %q, %v; want %q", f, c.start, c.until, joinValues(got), err, c.want)
			}
		}
	}
}

// TestStartWithoutTimes: messages without a time in front of the start are
// counted, and a file in which none has a time is refused.
func TestStartWithoutTimes(t *testing.T) {
	const untimed, early, late = `{"value":"a"}` + "\n",
		`{"value":"b","time":"2026-10-01T08:00:00Z"}` + "\n", `{"value":"c","time":"2026-10-01T11:00:00Z"}` + "\n"
	for _, c := range []struct {
		text, want string
		passed     int64
		fails      bool
	}{
		{untimed + untimed, "", 0, true},
		{untimed + "{no json}\n", "", 0, true},
		{untimed + untimed + late + untimed, "c a", 2, false},
		{untimed + early, "", 1, false},
		{early + late, "c", 0, false},
		{"", "", 0, false},
	} {
		o := sourceOptions(store(t, temp(t, "in"), []byte(c.text)), format.NDJSON)
		o.Start = hours(2)
		var passed int64
		o.NoteUntimed = func(_ string, n int64) { passed += n }
		got, err := read(t, o)
		if errors.Is(err, errUntimed) != c.fails || !c.fails && err != nil || joinValues(got) != c.want || passed != c.passed {
			t.Errorf("%q: got %q, %d passed over, %v", c.text, joinValues(got), passed, err)
		}
	}
}

// Runs with a checkpoint go on where the last one ended, whatever the limit
// was.
func TestLimitsGoOn(t *testing.T) {
	for _, f := range variants() {
		for _, ends := range [][]Limit{
			{{Record: 1}, {Record: 4}, {Record: 100}},
			{hours(1), hours(4), hours(100)},
			{hours(2), {Record: 2}, hours(5), {Record: 6}},
		} {
			in, out, open := timedFile(t, f), temp(t, "out"+f.ext), opener(t)
			var got string
			for _, until := range ends {
				ck := open()
				from, to := sourceOptions(in, f.format), sinkOptions(out, f.format)
				from.Checkpoint, to.Checkpoint, from.Until = ck, ck, &until
				if err := copyFile(t, from, to); err != nil {
					t.Fatalf("%s, %v: %v", f, ends, err)
				}
				if err := ck.Close(); err != nil {
					t.Fatal(err)
				}
				got = joinValues(readBack(t, out, f.format))
			}
			if got != "0 1 2 3 4 5" {
				t.Errorf("%s, %v: got %q", f, ends, got)
			}
		}
	}
}

// An output of a part of a file appears as that of a whole one does.
func TestLimitAtOnce(t *testing.T) {
	in := timedFile(t, variant{format.NDJSON, ""})
	for want, until := range map[string]Limit{"": {Record: 0}, "0 1": hours(2), "0 1 2": {Record: 3}} {
		out := filepath.Join(t.TempDir(), "out")
		o := sourceOptions(in, format.NDJSON)
		o.Until = &until
		if err := copyFile(t, o, sinkOptions(out, format.NDJSON)); err != nil {
			t.Fatal(err)
		}
		if got := joinValues(readBack(t, out, format.NDJSON)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
