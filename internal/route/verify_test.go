package route

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestVerifyFindings: every finding makes a verification fail, although each
// envelope opens, unless it is passed by name.
func TestVerifyFindings(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", richLines(0, 6))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson"})
	line := bytes.SplitAfter(readFile(t, "s.ndjson"), []byte("\n"))[:6]
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	b.put(t, numbered("plain", 3, 2)...)
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
	b.topic(t, "one", 1, nil)
	for _, r := range b.read(t, "sealed")[1] {
		b.put(t, &kgo.Record{Topic: "one", Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	foreign := Config{From: b.url + "/one?until=latest", Context: "sealed", DeadLetter: "file:d.ndjson"}
	extra := bytes.Replace(line[0], []byte(`"headers":[["h","0"]`), []byte(`"headers":[["h","0"],["x","y"]`), 1)
	for name, test := range map[string]struct {
		lines  [][]byte
		on     string
		passed func(c *Config)
	}{
		"as it was":   {line, "", nil},
		"duplicates":  {slices.Concat(line[:3], line[1:]), "duplicate=pass", nil},
		"gaps":        {slices.Concat(line[:3], line[4:]), "gap=pass", nil},
		"reordered":   {slices.Concat(line[5:], line[:5]), "reordered=pass", nil},
		"not sealed":  {slices.Concat([][]byte{extra}, line[1:]), "", func(c *Config) { c.PassExtraHeaders = true }},
		"foreign rec": {nil, "foreign-record=pass", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := foreign
			if test.lines != nil {
				writeFile(t, "t.ndjson", bytes.Join(test.lines, nil))
				c = Config{From: "file:t.ndjson"}
			}
			_, err := run(t, Verify, c, Env{})
			var found *FindingError
			switch {
			case name == "as it was":
				must(t, err)
				return
			case !errors.As(err, &found) || !strings.Contains(err.Error(), name):
				t.Errorf("got %v", err)
			}
			if test.on != "" {
				c.On = []string{test.on}
			} else {
				test.passed(&c)
			}
			mustRun(t, Verify, c)
		})
	}
}

// TestMessageTimes: a message that was sealed before --max-age is stale, and
// one that was sealed in the future is skewed, unless the clocks may differ by
// so much. In the bubble it is the year 2000.
func TestMessageTimes(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", richLines(0, 1))
	synctest.Test(t, func(t *testing.T) {
		mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:old.ndjson"})
	})
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:new.ndjson"})
	const years = 200 * 365 * 24 * time.Hour
	for _, name := range []string{"old", "new"} {
		c := Config{From: "file:" + name + ".ndjson"}
		mustRun(t, Verify, c)
		c.MaxAge = time.Hour
		if name == "new" {
			mustRun(t, Verify, c)
			continue
		}
		fails(t, Verify, c, "stale")
		c.On = []string{"stale=pass"}
		mustRun(t, Verify, c)
		c.On, c.MaxAge = nil, years
		mustRun(t, Verify, c)
	}
	synctest.Test(t, func(t *testing.T) {
		c := Config{From: "file:new.ndjson"}
		fails(t, Verify, c, "skewed")
		c.On = []string{"skewed=pass"}
		mustRun(t, Verify, c)
		c.On, c.MaxSkew = nil, years
		mustRun(t, Verify, c)
	})
}
