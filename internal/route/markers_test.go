package route

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestWarnOfMarkers: a route that will stop at the markers of its source says
// so before the first one, and no other route does.
func TestWarnOfMarkers(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	for name, markers := range map[string]time.Duration{"PLAIN": time.Minute, "MARKED": time.Minute, "BARE": 0} {
		_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: name, Subjects: []string{strings.ToLower(name)},
			AllowRollup: true, AllowMsgTTL: true, SubjectDeleteMarkerTTL: markers,
		})
		must(t, err)
	}
	_, err := b.js.Publish(t.Context(), "plain", []byte("v"))
	must(t, err)
	mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?until=latest", To: b.url + "/MARKED?subject=marked"})
	mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?until=latest", To: b.url + "/BARE?subject=bare"})
	for name, is := range map[string]struct {
		do     direct
		from   string
		change func(*Config)
		want   int
	}{
		"decrypting": {Decrypt, "MARKED", func(*Config) {}, 1},
		"several streams": {Decrypt, "BARE,MARKED", func(c *Config) {
			c.To = b.url + "/{topic}_COPY?subject={topic}_COPY&create=true"
		}, 1},
		"they pass":           {Decrypt, "MARKED", func(c *Config) { c.Tombstones = "pass" }, 0},
		"they are set aside":  {Decrypt, "MARKED", func(c *Config) { c.DeadLetter = "file:letters.ndjson" }, 0},
		"there are none":      {Decrypt, "BARE", func(*Config) {}, 0},
		"they will be sealed": {Encrypt, "PLAIN", func(c *Config) { c.Context = "x" }, 0},
	} {
		var logs bytes.Buffer
		c := Config{From: b.url + "/" + is.from + "?until=latest", To: "file:" + strings.ReplaceAll(name, " ", "") + ".ndjson"}
		is.change(&c)
		_, err := run(t, is.do, c, Env{Log: slog.New(slog.NewTextHandler(&logs, nil))})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Count(logs.String(), "--tombstones=pass"); got != is.want {
			t.Errorf("%s: said %d times, want %d: %s", name, got, is.want, logs.String())
		}
	}
}
