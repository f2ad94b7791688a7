package route

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestPace: workers that share a pace carry what it allows, to within a burst,
// also with a message that is larger than a burst.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 1_000_000
		p := newPace(perSecond)
		began := time.Now()
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				tr := &paced{Transform: &stub{value: []byte("v")}, pace: p}
				for _, n := range []int{1, 1000, 500_000, 124_499, 625_500 - 1001 + 501} {
					m := pipeline.Message{Value: make([]byte, n)}
					if _, err := tr.Append(t.Context(), nil, &m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
		const total = 8 * (1 + 1000 + 500_000 + 124_499 + 625_000)
		took, want := time.Since(began), time.Duration(total-perSecond/10)*time.Second/perSecond
		if took < want || took > want+burstTime {
			t.Errorf("%d bytes took %v, not %v", total, took, want)
		}
	})
}

// TestPaceOfOpened: a route that opens counts the plaintext, which is known
// when it is open, and shows none of it when the wait ends early.
func TestPaceOfOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := []byte(strings.Repeat("p", 1000))
		tr := &paced{Transform: &stub{value: plain}, pace: newPace(1000), opens: true}
		began := time.Now()
		if out, err := tr.Append(t.Context(), nil, &pipeline.Message{Value: []byte("e")}); err != nil || len(out) != 1000 {
			t.Errorf("%d bytes, %v", len(out), err)
		}
		if took := time.Since(began); took != 900*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second/2, errors.New("a signal"))
		defer cancel()
		began = time.Now()
		buffer := make([]byte, 0, 2000)
		out, err := tr.Append(ctx, buffer, &pipeline.Message{Value: []byte("e")})
		if err == nil || len(out) != 0 || time.Since(began) != time.Second/2 {
			t.Errorf("%d bytes after %v: %v", len(out), time.Since(began), err)
		}
		if strings.Contains(string(buffer[:1000]), "p") {
			t.Error("plaintext of a message that did not pass is left in the buffer")
		}
	})
}

// TestPaceOfARoute: records and raw files keep it.
func TestPaceOfARoute(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(strings.Repeat("{\"key\":\"k\",\"value\":\""+strings.Repeat("v", 999)+"\"}\n", 200)))
	writeFile(t, "in", []byte(strings.Repeat("r", 200_000)))
	for _, c := range []Config{
		{From: "file:in.ndjson", To: "file:a.scx"}, {From: "file:in", To: "file:a"},
	} {
		c.Rate = 400_000
		began := time.Now()
		mustRun(t, Encrypt, c)
		back := Config{From: c.To, To: strings.Replace(c.From, "in", "out", 1), Rate: c.Rate}
		mustRun(t, Decrypt, back)
		if took := time.Since(began); took < 780*time.Millisecond { // twice 200,000 bytes but for a burst
			t.Errorf("%s: it took %v", c.From, took)
		}
	}
	refuses(t, Encrypt, Config{From: "file:in", To: "file:b", Rate: -1}, "rate must not be negative")
}
