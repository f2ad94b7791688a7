package route

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// live is a route between two pipes.
type live struct {
	t     *testing.T
	r     *Route
	in    *io.PipeWriter
	out   *bufio.Reader
	ended chan error
}

func newLive(t *testing.T, open direct, key string) *live {
	t.Helper()
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	r, err := open(t.Context(), Config{From: "file:-?format=ndjson", To: "file:-?format=ndjson", Keys: []string{key}},
		Env{Log: quiet, Stdin: stdin, Stdout: stdout})
	must(t, err)
	l := &live{t: t, r: r, in: in, out: bufio.NewReader(out), ended: make(chan error, 1)}
	go func() {
		l.ended <- r.Run(t.Context())
		_, _ = stdin.Close(), stdout.Close() // whoever waits for a line hears of it
	}()
	return l
}

// carry gives the route one line and returns what comes of it.
func (l *live) carry(line string) string {
	l.t.Helper()
	_, err := io.WriteString(l.in, line)
	must(l.t, err)
	out, err := l.out.ReadString('\n')
	must(l.t, err)
	return out
}

func (l *live) end() {
	l.t.Helper()
	must(l.t, l.in.Close())
	must(l.t, <-l.ended)
	must(l.t, l.r.Close())
}

func opens(t *testing.T, line, key string) bool {
	t.Helper()
	var out bytes.Buffer
	_, err := run(t, Decrypt, Config{From: "file:-?format=ndjson", To: "file:-?format=ndjson", Keys: []string{key}},
		Env{Stdin: strings.NewReader(line), Stdout: &out})
	if err != nil && !strings.Contains(err.Error(), "unknown-key") {
		t.Fatal(err)
	}
	return err == nil && out.Len() > 0
}

// TestReload: a running route takes up other key files, and other URLs, for the
// next message; recipients that are much larger than those before included.
func TestReload(t *testing.T) {
	testDir(t)
	l := newLive(t, Encrypt, "local:k.jwk")
	const line = `{"value":"one"}` + "\n"
	first := l.carry(line)
	writeFile(t, "first.jwk", readFile(t, "k.jwk"))
	writeFile(t, "k.jwk", readFile(t, "other.jwk"))
	if !l.r.Reloads() {
		t.Error("it cannot be reloaded")
	}
	must(t, l.r.Reload(t.Context(), []string{"local:k.jwk"}))
	second := l.carry(line)
	for _, tc := range []struct {
		line, key string
		want      bool
	}{{first, "local:first.jwk", true}, {first, "local:other.jwk", false}, {second, "local:first.jwk", false}, {second, "local:other.jwk", true}} {
		if opens(t, tc.line, tc.key) != tc.want {
			t.Errorf("%s opens it: %v", tc.key, !tc.want)
		}
	}

	// What is wrong with the new ones leaves the old ones in use.
	writeFile(t, "k.jwk", []byte("{}"))
	for _, urls := range [][]string{{"local:k.jwk"}, {"local:none.jwk"}, {"local:other.jwk", "nonsense"}, {}} {
		if err := l.r.Reload(t.Context(), urls); err == nil {
			t.Errorf("%q were taken", urls)
		}
	}
	if err := l.r.Reload(t.Context(), []string{"local:none.jwk"}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if third := l.carry(line); !opens(t, third, "local:other.jwk") {
		t.Error("the old key is not in use")
	}

	many := make([]string, 8)
	for i := range many {
		name := string(rune('a'+i)) + ".pem"
		writeFile(t, name, newRSA(t))
		many[i] = "rsa:" + name
	}
	must(t, l.r.Reload(t.Context(), many))
	if fourth := l.carry(line); !opens(t, fourth, many[7]) {
		t.Error("not sealed for the last of eight")
	}
	l.end()
}

// TestReloadOfDecrypt: a key that was removed opens nothing any longer, though
// what it opened before is in the cache.
func TestReloadOfDecrypt(t *testing.T) {
	testDir(t)
	sealed := func(key string) string {
		var out bytes.Buffer
		_, err := run(t, Encrypt, Config{From: "file:-?format=ndjson", To: "file:-?format=ndjson", Keys: []string{key}},
			Env{Stdin: strings.NewReader(`{"value":"one"}` + "\n"), Stdout: &out})
		must(t, err)
		return out.String()
	}
	old, other := sealed("local:k.jwk"), sealed("local:other.jwk")
	l := newLive(t, Decrypt, "local:k.jwk")
	l.carry(old)
	must(t, l.r.Reload(t.Context(), []string{"local:other.jwk"}))
	l.carry(other)
	_, err := io.WriteString(l.in, old)
	must(t, err)
	if err := <-l.ended; err == nil || !strings.Contains(err.Error(), "unknown-key") {
		t.Errorf("the removed key: %v", err)
	}
	must(t, l.r.Close())
}

func TestRawRoutesReadKeysOnce(t *testing.T) {
	testDir(t)
	writeFile(t, "in", []byte("text"))
	r, err := Encrypt(t.Context(), Config{From: "file:in", To: "file:out", Keys: []string{"local:k.jwk"}}, Env{Log: quiet})
	must(t, err)
	if err := r.Reload(context.Background(), []string{"local:k.jwk"}); r.Reloads() || !errors.Is(err, ErrNoReload) {
		t.Error(err)
	}
	must(t, r.Close())
}

// TestKeyPerMessage: with a window of one message each has a key of its own, in
// both profiles.
func TestKeyPerMessage(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	const lines = 50
	writeFile(t, "in.ndjson", []byte(strings.Repeat(`{"value":"one"}`+"\n", lines)))
	for profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			c := config(profile, Config{From: "file:in.ndjson", To: "file:sealed.ndjson", WindowMessages: 1, Overwrite: true, Workers: 4})
			mustRun(t, Encrypt, c)
			kids := map[string]bool{}
			for line := range bytes.Lines(readFile(t, "sealed.ndjson")) {
				kids[kidOf(t, line)] = true
			}
			if len(kids) != lines {
				t.Errorf("%d keys for %d messages", len(kids), lines)
			}
			c.From, c.To = "file:sealed.ndjson", "file:out.ndjson"
			mustRun(t, Decrypt, c)
			same(t, readFile(t, "out.ndjson"), readFile(t, "in.ndjson"))
		})
	}
}

func kidOf(t *testing.T, line []byte) string {
	t.Helper()
	var record struct {
		Value64 string `json:"value64"`
	}
	must(t, json.Unmarshal(line, &record))
	sealed, err := base64.StdEncoding.DecodeString(record.Value64)
	must(t, err)
	var e cms.Envelope
	must(t, cms.Parse(sealed, &e))
	if e.ByReference {
		return string(e.KID)
	}
	return string(e.Commitment)
}

// TestReloadOfOthers: a route that reads its keys once says so.
func TestReloadOfOthers(t *testing.T) {
	rewrapDir(t)
	sealKinds(t, "self", "file:s.scx")
	c := rewrapped(Config{From: "file:s.scx", To: "file:t.scx"})
	r, err := Rewrap(t.Context(), c, Env{Log: quiet})
	must(t, err)
	if err := r.Reload(t.Context(), c.Keys); r.Reloads() || !errors.Is(err, ErrNoReload) {
		t.Errorf("reloads: %t, %v", r.Reloads(), err)
	}
	must(t, r.Close())
}
