package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Several topics are sealed and opened by one route each. Each envelope is
// bound to its own topic, so that one that was moved to another is refused, and
// a route of one topic opens what a route of several has sealed.
func TestSeveralTopics(t *testing.T) {
	const n, parts = 600, 3
	for _, tc := range []struct{ name, seal, open, context string }{
		{"list", "in.a,in.b,in.c", "in.a.sealed,in.b.sealed,in.c.sealed", ""},
		{"pattern", `~in\.[a-z]`, `~in\..*\.sealed`, ""},
		{"context", `~in\.[a-z]`, `~in\..*\.sealed`, "shop/{topic-.sealed}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testDir(t)
			b := startKafka(t)
			topics := []string{"in.a", "in.b", "in.c"}
			for _, topic := range topics {
				b.topic(t, topic, parts, nil)
				b.put(t, mixed(topic, n, parts)...)
			}
			seal := Config{
				From: b.url + "/" + tc.seal + "?group=enc&until=latest", To: b.url + "/{topic}.sealed?create=true",
				Context: tc.context, Workers: 3,
			}
			if s := mustRun(t, Encrypt, seal); s.Messages != 3*n || s.Done != 3*n || s.Rejected+s.Parked > 0 {
				t.Errorf("sealing: %+v", s)
			}
			from := b.url + "/" + tc.open
			if s := mustRun(t, Verify, Config{From: from, Context: tc.context}); s.Messages != 3*n || s.Gaps+s.Foreign != 0 {
				t.Errorf("verifying: %+v", s)
			}
			one := Config{From: b.url + "/in.b.sealed", Context: strings.ReplaceAll(tc.context, "{topic-.sealed}", "in.b")}
			if s := mustRun(t, Verify, one); s.Messages != n {
				t.Errorf("verifying one of them: %+v", s)
			}
			fails(t, Verify, Config{From: b.url + "/in.b.sealed", Context: "in.a.sealed"}, "tampered")

			moved := *b.read(t, "in.a.sealed")[0][0]
			moved.Topic = "in.b.sealed"
			b.put(t, &kgo.Record{Topic: moved.Topic, Key: moved.Key, Value: moved.Value, Headers: moved.Headers, Timestamp: moved.Timestamp})
			s := mustRun(t, Decrypt, Config{
				From: from + "?group=dec&until=latest", To: b.url + "/out.{topic-.sealed}?create=true", Context: tc.context,
				DeadLetter: b.url + "/dead.{topic}?create=true", Workers: 3,
			})
			if s.Messages != 3*n+1 || s.Rejected != 1 || s.Reasons[pipeline.ReasonTampered] != 1 || s.Gaps+s.Foreign != 0 {
				t.Errorf("opening: %+v", s)
			}
			for _, topic := range topics {
				plain := b.read(t, topic)
				sameRecords(t, b.read(t, "out."+topic), plain)
				if topic != "in.b" {
					checkSealed(t, b.read(t, topic+".sealed"), plain)
				}
			}
			letters := flat(b.read(t, "dead.in.b.sealed"))
			if len(letters) != 1 || !strings.HasPrefix(header(letters[0], pipeline.HeaderOrigin), "in.b.sealed/0@") {
				t.Errorf("letters: %v", letters)
			}
		})
	}
}

// Ends that do not agree about topics are refused before anything is opened.
func TestSeveralTopicsRefusals(t *testing.T) {
	testDir(t)
	const k = "kafka://127.0.0.1:1/"
	for _, tc := range []struct {
		open       direct
		c          Config
		want, hint string
	}{
		{Encrypt, Config{From: k + "a,b?group=g", To: k + "all"}, "one destination for several topics", "{topic}"},
		{Encrypt, Config{From: k + "~a?group=g", To: "file:x.ndjson"}, "one destination for several topics", "{topic}"},
		{Encrypt, Config{From: "file:x.ndjson", To: k + "{topic}"}, "a template", "write the name"},
		{Encrypt, Config{From: "file:x.ndjson", To: k + "a", DeadLetter: k + "{topic}"}, "a template", "write the name"},
		{Encrypt, Config{From: k + "a,b?group=g", To: k + "{topic}.x", Context: "c"}, "context: one for several topics", "{topic}"},
		{Decrypt, Config{From: k + "a,b?group=g", To: k + "{topic}.x", ContextSet: true}, "context: one for several topics", ""},
		{Encrypt, Config{From: k + "a,b?group=g", To: k + "{topic}.x", Context: "{topic"}, "placeholder", ""},
		{Rewrap, Config{From: k + "a,b?group=g", To: k + "all", OldKeys: []string{"local:k.jwk"}}, "one destination for several topics", "{topic}"},
	} {
		err := refuses(t, tc.open, tc.c, tc.want)
		var advised *hint.Error
		if tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)) {
			t.Errorf("%v: no hint with %q", err, tc.hint)
		}
	}
}

// fakeTransform appends the name that it was made for.
type fakeTransform struct {
	name   string
	resets *atomic.Int64
}

func (f fakeTransform) Reset() { f.resets.Add(1) }

func (f fakeTransform) Bound(*pipeline.Message) int { return len(f.name) }

func (f fakeTransform) Append(_ context.Context, dst []byte, _ *pipeline.Message) ([]byte, error) {
	return append(dst, f.name...), nil
}

// A worker has one transform for each topic, as long as the topic is among
// those that it met lately, and none is closed while its memory is in use.
func TestTopical(t *testing.T) {
	var resets, open atomic.Int64
	var closed []string
	topic := newTopical(func(place string) string { return strings.Split(place, "/")[0] }, func(topic string) (string, error) {
		if topic == "none" {
			return "", errors.New("no name")
		}
		return topic + ".sealed", nil
	}, func(_, name string) (pipeline.Transform, func(), error) {
		open.Add(1)
		return fakeTransform{name, &resets}, func() { open.Add(-1); closed = append(closed, name) }, nil
	})
	appendTo := func(place string) string {
		m := pipeline.Message{Origin: pipeline.Origin{Place: place}}
		out, err := topic.Append(t.Context(), nil, &m)
		if want := topic.Bound(&m); err == nil && len(out) != want {
			t.Errorf("%s: %d bytes, bound %d", place, len(out), want)
		}
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
	for place, want := range map[string]string{"a/0": "a.sealed", "a/1": "a.sealed", "b/0": "b.sealed", "none/0": "no name"} {
		if got := appendTo(place); got != want {
			t.Errorf("%s: %s, want %s", place, got, want)
		}
	}
	topic.Reset()
	if resets.Load() != 2 || open.Load() != 2 {
		t.Errorf("%d resets, %d open", resets.Load(), open.Load())
	}
	appendTo("a/0")
	for i := range maxOpened {
		appendTo(fmt.Sprintf("t%d/0", i))
	}
	if slices.Contains(closed, "a.sealed") || !slices.Contains(closed, "b.sealed") {
		t.Error("the wrong transforms were closed")
	}
	topic.Reset()
	if open.Load() != maxOpened || !slices.Contains(closed, "a.sealed") {
		t.Errorf("%d are open", open.Load())
	}
}

// Keys of a context are opened once for all workers, and closed with the last.
func TestContextTable(t *testing.T) {
	opened, closed := 0, 0
	table := contextTable[string]{
		open: func(name string) (string, error) {
			if name == "" {
				return "", errors.New("no name")
			}
			opened++
			return name, nil
		},
		close: func(string) error { closed++; return nil },
	}
	for range 3 {
		if k, err := table.acquire("a"); k != "a" || err != nil {
			t.Errorf("got %q, %v", k, err)
		}
	}
	if _, err := table.acquire(""); err == nil {
		t.Error("no error")
	}
	table.release("a")
	table.release("a")
	if opened != 1 || closed != 0 {
		t.Errorf("%d opened, %d closed", opened, closed)
	}
	table.release("a")
	if opened != 1 || closed != 1 || len(table.byName) != 0 {
		t.Errorf("%d opened, %d closed, %d left", opened, closed, len(table.byName))
	}
}

// Keys are in use as long as a transform of them is, and not by one that could
// not be made.
func TestOpenTransform(t *testing.T) {
	table := contextTable[string]{
		open:  func(name string) (string, error) { return name, nil },
		close: func(string) error { return nil },
	}
	if _, _, err := table.openTransform("bad", func(string) (pipeline.Transform, error) { return nil, errors.New("no") }); err == nil {
		t.Error("no error")
	}
	got, release, err := table.openTransform("good", func(name string) (pipeline.Transform, error) {
		return fakeTransform{name: name}, nil
	})
	must(t, err)
	if got.(fakeTransform).name != "good" || len(table.byName) != 1 || table.byName["good"] == nil {
		t.Errorf("got %v, in use are %v", got, table.byName)
	}
	release()
	if len(table.byName) != 0 {
		t.Errorf("still in use are %v", table.byName)
	}
}

// Keys of topics are prepared once, unless that fails, and not after the end.
func TestAnnouncer(t *testing.T) {
	var mu sync.Mutex
	tries := map[string]int{}
	a := newAnnouncer(func(_ context.Context, topic string) error {
		mu.Lock()
		defer mu.Unlock()
		tries[topic]++
		if topic == "bad" {
			return errors.New("no key")
		}
		return nil
	})
	for range 3 {
		for i := range 50 {
			a.announce(fmt.Sprint("t", i))
		}
		a.announce("bad")
		a.running.Wait()
	}
	must(t, a.close())
	a.announce("late")
	if len(tries) != 51 || tries["t7"] != 1 || tries["bad"] != 3 {
		t.Errorf("got %v", tries)
	}
}
