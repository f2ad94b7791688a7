package route

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// putForged seals messages by another key, so that the readers of the topic
// refuse them.
func putForged(t *testing.T, b *kafkaBroker, topic string, n int) {
	t.Helper()
	for range n {
		b.put(t, &kgo.Record{Topic: "guesses", Value: []byte("v")})
	}
	mustRun(t, Encrypt, Config{
		From: b.url + "/guesses?group=g&until=latest", To: b.url + "/" + topic, Keys: []string{"local:other.jwk"}, Context: topic,
	})
}

// TestBreakerOfARoute: ten guesses stop a partition, over restarts, until a
// person resumes: at the start, or while the route runs.
func TestBreakerOfARoute(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	for _, topic := range []string{"plain", "guesses", "dead"} {
		b.topic(t, topic, 1, nil)
	}
	b.topic(t, "sealed", 1, map[string]string{"max.message.bytes": "2000000"})
	b.put(t, &kgo.Record{Topic: "plain", Value: []byte("good")})
	seal := Config{From: b.url + "/plain?group=seal&until=latest", To: b.url + "/sealed"}
	mustRun(t, Encrypt, seal)
	putForged(t, b, "sealed", 25)
	b.put(t, &kgo.Record{Topic: "plain", Value: []byte("good")})
	mustRun(t, Encrypt, seal)

	c := Config{
		From: b.url + "/sealed?group=open&until=latest", To: b.url + "/out?create=true", DeadLetter: b.url + "/dead",
	}
	blocked := func(when string, c Config, rejected int64) {
		t.Helper()
		s, err := run(t, Decrypt, c, Env{Log: quiet})
		var advised *hint.Error
		if !errors.Is(err, ErrBreakerOpen) || s.Rejected != rejected ||
			!errors.As(err, &advised) || !strings.Contains(advised.Hint, "--resume") {
			t.Fatalf("%s: %d rejected, %v", when, s.Rejected, err)
		}
	}
	blocked("at first", c, 10)
	blocked("after a restart", c, 0)
	again := c
	again.Resume = true
	blocked("resumed at the start", again, 10)
	blocked("after another restart", c, 0)

	live := c
	live.Keys = []string{"local:k.jwk"}
	live.From = b.url + "/sealed?group=open"
	r, err := Decrypt(t.Context(), live, Env{Log: quiet})
	must(t, err)
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	await := func(what string, is func(Snapshot) bool) {
		t.Helper()
		for !is(r.Snapshot()) {
			if ctx.Err() != nil {
				t.Fatalf("never %s: %+v", what, r.Snapshot())
			}
			time.Sleep(5 * time.Millisecond) // asked again; the route decides
		}
	}
	await("parked", func(s Snapshot) bool { return s.Parked == 1 })
	r.Resume()
	await("at the end", func(s Snapshot) bool { return s.Messages == 6 && s.Parked == 0 })
	cancel()
	must(t, <-ended)
	if s := r.Snapshot(); s.Rejected != 5 {
		t.Errorf("%d rejected", s.Rejected)
	}
	if n := len(flat(b.read(t, "out"))); n != 2 {
		t.Errorf("%d messages are out", n)
	}
}

// TestBreakerConfig: limits that are none, and routes that have no breaker.
func TestBreakerConfig(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", nil)
	c := Config{From: "file:in.ndjson", To: "file:out.ndjson"}
	for _, text := range []string{"10", "0/60s", "21/60s", "10/60", "10/999ms", "10/19h", "x/1s", "10/60s/1"} {
		c.Breaker = text
		refuses(t, Decrypt, c, "not N/TIME")
	}
	c.Breaker = "10/60s"
	refuses(t, Encrypt, c, "for a route that decrypts")
	for _, text := range []string{"off", "20/18h", "1/1s"} {
		c.Breaker, c.Overwrite = text, true
		mustRun(t, Decrypt, c)
	}
}

// TestBreakerOfAFile: the checkpoint of a file keeps an open breaker.
func TestBreakerOfAFile(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(strings.Repeat(`{"value":"v"}`+"\n", 15)))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:forged.ndjson", Keys: []string{"local:other.jwk"}})
	c := Config{From: "file:forged.ndjson", To: "file:out.ndjson", DeadLetter: "file:dead.ndjson", Checkpoint: "c"}
	for i, want := range []int64{10, 0, 5} {
		c.Resume = i == 2
		s, err := run(t, Decrypt, c, Env{Log: quiet})
		if s.Rejected != want || errors.Is(err, ErrBreakerOpen) == c.Resume {
			t.Fatalf("run %d: %d rejected, %v", i, s.Rejected, err)
		}
	}
}
