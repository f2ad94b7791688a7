package cluster

import (
	"errors"
	"reflect"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

var ours = SourceHash{1, 2, 3, 4, 5}

func TestMetadata(t *testing.T) {
	t.Parallel()
	positions := []pipeline.Position{
		{Next: 0, Last: -1},
		{Next: 10, Last: -1},
		{Next: 10, Last: 9},
		{Next: 1 << 60, Last: 0},
		{Next: 10, Last: 3, State: []byte("state")},
		{Next: 10, Last: -1, State: make([]byte, 3000)},
	}
	for _, want := range positions {
		want.Place = "in/1"
		text, err := AppendMetadata(nil, ours, &want)
		if err != nil {
			t.Fatal(err)
		}
		got := pipeline.Position{Place: want.Place, Next: want.Next}
		if err := ParseMetadata(&got, ours, string(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %+v, %v", want, got, err)
		}
	}
	if _, err := AppendMetadata(nil, ours, &pipeline.Position{State: make([]byte, 3100)}); err == nil {
		t.Error("a state was accepted that brokers would refuse")
	}
	full := pipeline.Position{Place: "in/1", Next: 1 << 40, Last: 0, State: make([]byte, 3064)}
	text, err := AppendMetadata(nil, ours, &full)
	if err != nil || len(text) > maxMetadata {
		t.Errorf("a full state: %d bytes, %v", len(text), err)
	}
	if err := ParseMetadata(&full, ours, string(text)); err != nil || full.Last != -1 || len(full.State) != 3064 {
		t.Errorf("a full state: last %d, %d bytes, %v", full.Last, len(full.State), err)
	}
	old := pipeline.Position{Place: "in/1", Next: 10, Last: 7, State: []byte("old")}
	if err := ParseMetadata(&old, SourceHash{9}, string(text)); !errors.Is(err, ErrOtherSource) || old.State != nil {
		t.Errorf("another source: got %+v, %v", old, err)
	}
	for _, text := range []string{
		"x", "another tool's", "AgA", "AgECAwQF", "AgECAwQFBQ", "AgECAwQF/", "AgECAwQF////////////8B",
		"AQA", "AQEC", "AQEKc3RhdGU", // version 1: of releases before the source was part of it
	} {
		p := pipeline.Position{Place: "in/1", Next: 4, Last: 7, State: []byte("old")}
		if err := ParseMetadata(&p, ours, text); !errors.Is(err, errMetadata) || p.Last != -1 || p.State != nil {
			t.Errorf("%q: got %+v, %v", text, p, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add("AgECAwQFAQo", int64(10))
	f.Add("", int64(0))
	f.Fuzz(func(t *testing.T, text string, next int64) {
		p := pipeline.Position{Place: "in/1", Next: max(0, next)}
		if ParseMetadata(&p, ours, text) != nil || text == "" {
			return
		}
		if p.Last < -1 || p.Last >= p.Next && p.Last != -1 {
			t.Fatalf("last is %d before %d", p.Last, p.Next)
		}
		if again, err := AppendMetadata(nil, ours, &p); err != nil || len(again) > len(text) {
			t.Fatalf("%q became %q, %v", text, again, err)
		}
	})
}
