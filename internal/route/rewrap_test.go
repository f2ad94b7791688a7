package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/local"
)

// rewrapDir is testDir with a new key.
func rewrapDir(t *testing.T) {
	t.Helper()
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	key, err := local.GenerateAES()
	must(t, err)
	writeFile(t, "new.jwk", key)
}

// rewrapped is c for a rewrap from k.jwk to new.jwk.
func rewrapped(c Config) Config {
	c.OldKeys, c.Keys = []string{"local:k.jwk"}, []string{"local:new.jwk"}
	return c
}

// with is c for a key.
func with(key string, c Config) Config {
	c.Keys = []string{"local:" + key}
	return c
}

// sealKinds seals one message of every kind, a long one among them.
func sealKinds(t *testing.T, profile, to string) []byte {
	t.Helper()
	lines := kinds + fmt.Sprintf("{\"value\":%q}\n", strings.Repeat("z", 100_000))
	writeFile(t, "in.ndjson", []byte(lines))
	mustRun(t, Encrypt, config(profile, Config{From: "file:in.ndjson", To: to, Bind: []string{"header:trace-id"}, ChunkSize: 4096, Overwrite: true}))
	return []byte(lines)
}

func TestRewrapFiles(t *testing.T) {
	for profile := range profiles {
		for _, name := range []string{"s.scx", "s.ndjson"} {
			t.Run(profile+" "+name, func(t *testing.T) {
				rewrapDir(t)
				lines := sealKinds(t, profile, "file:"+name)
				route := func(from, to string) Config {
					return rewrapped(config(profile, Config{From: "file:" + from, To: "file:" + to, Workers: 3}))
				}
				s := mustRun(t, Rewrap, route(name, "new-"+name))
				if s.Messages != 7 || s.Rewrapped != 7 || s.Already != 0 || s.DataKeys == 0 || s.Rejected+s.Skipped > 0 {
					t.Errorf("%+v", s)
				}
				opened := config(profile, Config{From: "file:new-" + name, To: "file:out.ndjson", Bind: []string{"header:trace-id"}})
				mustRun(t, Decrypt, with("new.jwk", opened))
				same(t, readFile(t, "out.ndjson"), lines)
				if profile == "self" {
					opened.To = "file:none.ndjson"
					fails(t, Decrypt, with("k.jwk", opened), "unknown-key")
				} else if name == "s.ndjson" { // an archive has a key record of its own
					same(t, readFile(t, "new-"+name), readFile(t, name))
				} else {
					alone := with("new.jwk", opened)
					alone.KeyStore, alone.To = "", "file:alone.ndjson"
					mustRun(t, Decrypt, alone)
				}
				s = mustRun(t, Rewrap, route("new-"+name, "again-"+name))
				if s.Already != 7 || s.Rewrapped != 0 || s.DataKeys != 0 {
					t.Errorf("again: %+v", s)
				}
				same(t, readFile(t, "again-"+name), readFile(t, "new-"+name))
			})
		}
	}
}

// TestRewrapArchives: an archive's end record comes along and still says what
// belongs before it; where there was none, there is a new one.
func TestRewrapArchives(t *testing.T) {
	rewrapDir(t)
	lines := sealKinds(t, "self", "file:s.scx")
	more := Config{From: "file:in.ndjson", To: "file:s.scx?append=true", Bind: []string{"header:trace-id"}, ChunkSize: 4096}
	mustRun(t, Encrypt, more) // two end records
	mustRun(t, Rewrap, rewrapped(Config{From: "file:s.scx", To: "file:t.scx"}))
	open := with("new.jwk", Config{From: "file:t.scx", To: "file:out.ndjson", Bind: []string{"header:trace-id"}})
	mustRun(t, Decrypt, open)
	same(t, readFile(t, "out.ndjson"), slices.Concat(lines, lines))

	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson", Bind: more.Bind, Context: "orders"})
	mustRun(t, Rewrap, rewrapped(Config{From: "file:s.ndjson", To: "file:u.scx", Context: "orders"}))
	open.From, open.To, open.Context = "file:u.scx", "file:out2.ndjson", "orders"
	mustRun(t, Decrypt, open)
	same(t, readFile(t, "out2.ndjson"), lines)

	// What was changed in the archive before is noticed by its reader.
	cut := rewrapped(Config{From: "file:cut.scx", To: "file:v.scx"})
	writeFile(t, "cut.scx", readFile(t, "s.scx")[:len(readFile(t, "s.scx"))-100])
	fails(t, Rewrap, cut, "truncated")
	noFile(t, "v.scx")
	first := seqFrames(t, readFile(t, "s.scx"))
	writeFile(t, "cut.scx", slices.Concat(append([][]byte{first[0]}, first[2:]...)...)) // without its first message
	mustRun(t, Rewrap, cut)
	open.From, open.To, open.Context = "file:v.scx", "file:out3.ndjson", ""
	fails(t, Decrypt, open, "tampered")
}

// TestRewrapAuditsItsEnd: the data key of an archive's new end record is
// recorded as any other.
func TestRewrapAuditsItsEnd(t *testing.T) {
	rewrapDir(t)
	sealKinds(t, "self", "file:s.ndjson")
	mustRun(t, Rewrap, rewrapped(Config{From: "file:s.ndjson", To: "file:u.scx", Audit: "audit"}))
	for _, op := range []string{"rewrapped", "window-opened", "window-closed"} {
		if n := bytes.Count(readFile(t, "audit"), []byte(`"op":"`+op+`"`)); n != 1 {
			t.Errorf("%d times %s", n, op)
		}
	}
}

// seqFrames splits an archive into its first line and its records.
func seqFrames(t *testing.T, b []byte) [][]byte {
	t.Helper()
	frames := [][]byte{b[:8]}
	for b = b[8:]; len(b) > 0; {
		n := 8 + int(b[0])<<24 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		frames = append(frames, b[:n])
		b = b[n:]
	}
	return frames
}

// TestRewrapGoesOn: a run with a checkpoint that failed half way goes on, also
// right before the end of an archive; and one that is complete can be run
// again.
func TestRewrapGoesOn(t *testing.T) {
	rewrapDir(t)
	var lines []byte
	for i := range 300 {
		lines = fmt.Appendf(lines, "{\"key\":\"k%d\",\"value\":\"%0200d\"}\n", i, i)
	}
	writeFile(t, "in.ndjson", lines)
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	whole := readFile(t, "s.scx")
	frames := seqFrames(t, whole)
	c := rewrapped(Config{From: "file:s.scx", To: "file:t.scx", Checkpoint: "ck", ReadAhead: 4096})
	for _, n := range []int{100, 301} { // the end record is the last of the 301
		writeFile(t, "s.scx", slices.Concat(frames[:n]...))
		fails(t, Rewrap, c, "truncated")
	}
	writeFile(t, "s.scx", whole)
	if s := mustRun(t, Rewrap, c); s.Messages != 0 {
		t.Errorf("%d messages were left", s.Messages)
	}
	for range 2 {
		mustRun(t, Rewrap, c)
		mustRun(t, Decrypt, with("new.jwk", Config{From: "file:t.scx", To: "file:out.ndjson", Overwrite: true}))
		same(t, readFile(t, "out.ndjson"), lines)
	}
}

func TestRewrapRaw(t *testing.T) {
	for profile := range profiles {
		for _, size := range []int{0, 100, 4097, 200_000} {
			t.Run(fmt.Sprint(profile, size), func(t *testing.T) {
				rewrapDir(t)
				plain := payload(size)
				writeFile(t, "plain", plain)
				mustRun(t, Encrypt, config(profile, Config{From: "file:plain", To: "file:sealed", ChunkSize: 4096}))
				s := mustRun(t, Rewrap, rewrapped(config(profile, Config{From: "file:sealed", To: "file:new"})))
				if s.Rewrapped != 1 || s.DataKeys != 1 || s.Already != 0 || s.Bytes != s.BytesOut || s.Done != s.Total {
					t.Errorf("%+v", s)
				}
				opened := config(profile, Config{From: "file:new", To: "file:opened"})
				mustRun(t, Decrypt, with("new.jwk", opened))
				same(t, readFile(t, "opened"), plain)
				if profile == "self" {
					opened.To = "file:none"
					fails(t, Decrypt, with("k.jwk", opened), "unknown-key")
				}
				var out bytes.Buffer
				_, err := run(t, Rewrap, rewrapped(config(profile, Config{From: "file:-", To: "file:-"})), Env{
					Stdin: bytes.NewReader(readFile(t, "sealed")), Stdout: &out,
				})
				must(t, err)
				writeFile(t, "sealed", readFile(t, "sealed")[:len(readFile(t, "sealed"))-1])
				fails(t, Rewrap, rewrapped(config(profile, Config{From: "file:sealed", To: "file:none"})), "truncated")
				noFile(t, "none")
			})
		}
	}
}

// TestRewrapStore: without data to move, all records of a store are rewrapped.
// What cannot be is said, and the others are.
func TestRewrapStore(t *testing.T) {
	rewrapDir(t)
	writeFile(t, "plain", payload(9000))
	for i, key := range []string{"k.jwk", "k.jwk", "k.jwk", "other.jwk"} {
		c := config("ref", Config{From: "file:plain", To: fmt.Sprintf("file:sealed%d", i), ChunkSize: 4096})
		mustRun(t, Encrypt, with(key, c))
	}
	writeFile(t, "store/README", []byte("not a record"))
	store := rewrapped(Config{KeyStore: "file:store"})
	for _, want := range []Snapshot{{Rewrapped: 3, DataKeys: 3}, {Already: 3}} {
		s, err := run(t, Rewrap, store, Env{})
		if err == nil || !strings.Contains(err.Error(), "file:store: unknown-key: 1 of 4 key records") {
			t.Errorf("got %v", err)
		}
		if s.Rewrapped != want.Rewrapped || s.Already != want.Already || s.DataKeys != want.DataKeys || s.Rejected != 1 || s.Done != 4 {
			t.Errorf("%+v", s)
		}
	}
	for i := range 4 {
		c := with("new.jwk", config("ref", Config{From: fmt.Sprintf("file:sealed%d", i), To: fmt.Sprintf("file:opened%d", i)}))
		if i == 3 {
			fails(t, Decrypt, c, "unknown-key")
			continue
		}
		mustRun(t, Decrypt, c)
		same(t, readFile(t, c.To[len("file:"):]), payload(9000))
	}
	store.OldKeys = append(store.OldKeys, "local:other.jwk")
	r, err := Rewrap(t.Context(), store, Env{Log: quiet})
	must(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := r.Run(ended); !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v", err)
	}
	if s := mustRun(t, Rewrap, store); s.Rewrapped != 1 || s.Already != 3 {
		t.Errorf("%+v", s)
	}
	files, err := filepath.Glob("store/*")
	must(t, err)
	if len(files) != 9 {
		t.Errorf("%d files in the store: %v", len(files), files)
	}
}

func TestRewrapDeadLetters(t *testing.T) {
	rewrapDir(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"a","value":"1"}`+"\n"))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson"})
	mustRun(t, Encrypt, with("other.jwk", Config{From: "file:in.ndjson", To: "file:o.ndjson"}))
	sealed := readFile(t, "s.ndjson")
	// The same twice: a copy is a copy.
	writeFile(t, "mixed.ndjson", slices.Concat(sealed, readFile(t, "o.ndjson"), readFile(t, "in.ndjson"), []byte("{\"value\":null}\n"), sealed))
	c := rewrapped(Config{From: "file:mixed.ndjson", To: "file:t.ndjson"})
	fails(t, Rewrap, c, "mixed.ndjson@1: unknown-key")
	noFile(t, "t.ndjson")
	c.DeadLetter = "file:dead.ndjson"
	s := mustRun(t, Rewrap, c)
	if s.Rewrapped != 2 || s.DataKeys != 1 || s.Rejected != 3 || s.Skipped != 0 ||
		s.Reasons["unknown-key"] != 1 || s.Reasons["not-an-envelope"] != 1 || s.Reasons["bare-tombstone"] != 1 {
		t.Errorf("%+v", s)
	}
	value := func(line []byte) []byte { return line[bytes.Index(line, []byte(`"value64":`)):][:40] }
	if dead := readFile(t, "dead.ndjson"); bytes.Count(dead, []byte(`"streamcrypt-reason"`)) != 3 || !bytes.Contains(dead, value(readFile(t, "o.ndjson"))) {
		t.Errorf("%s", dead)
	}
	c.OldKeys, c.To, c.Tombstones = append(c.OldKeys, "local:other.jwk"), "file:u.ndjson", "pass"
	if s := mustRun(t, Rewrap, c); s.Rewrapped != 3 || s.DataKeys != 2 || s.Rejected != 1 {
		t.Errorf("%+v", s)
	}
}

func TestRewrapRefusals(t *testing.T) {
	rewrapDir(t)
	writeFile(t, "in.ndjson", []byte(kinds))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	const from, to = "file:s.scx", "file:t.scx"
	for want, c := range map[string]Config{
		"neither":                  {From: "kafka://h/a", To: "kafka://h/b"},
		"no URL":                   {From: from},
		"nothing to rewrap":        {},
		"change it":                {From: from, To: "nats://h/S?subject=x.>"},
		"and kafka://h/a has none": {From: "kafka://h/a?group=g", To: "nats://h/S"},
		"envelope is bound":        {From: "nats://h/S?consumer=c", To: "kafka://h/a"},
		"rewrapping keeps that":    {From: "kafka://h/a?group=g", To: "kafka://h/b?partition=key"},
		"leave out":                {From: from, To: to, DeadLetter: "file:d.ndjson"},
		"copied, and is for":       {From: from, To: to + "?append=true"},
		"is raw and":               {From: from, To: "file:t"},
		"are the same":             {From: from, To: from},
		"key store":                {From: from, To: to, KeyStore: "file:none"},
	} {
		c = rewrapped(c)
		r, err := Rewrap(t.Context(), c, Env{Log: quiet})
		if err == nil {
			must(t, r.Close())
		}
		if err == nil || !strings.Contains(err.Error()+" "+hintOf(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	noKeys := rewrapped(Config{From: from, To: to})
	noKeys.OldKeys = nil
	refuses(t, Rewrap, noKeys, "no key is given")
	wrong := rewrapped(Config{From: from, To: to})
	wrong.OldKeys = []string{"x25519:x.pub"}
	refuses(t, Rewrap, wrong, "public key only")
	noFile(t, "t.scx")
}

// TestReadersContext: a copy keeps the name that its envelopes are bound to,
// and says so where readers would not guess it.
func TestReadersContext(t *testing.T) {
	rewrapDir(t)
	writeFile(t, "in.ndjson", []byte(kinds))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx", Context: "orders"})
	for context, want := range map[string]bool{"orders": true, "": false} {
		c := rewrapped(Config{From: "file:s.scx", To: "file:t.scx", Context: context})
		r, err := Rewrap(t.Context(), c, Env{Log: quiet})
		must(t, err)
		if name, needed := r.ReadersContext(); name != context || needed != want {
			t.Errorf("%q, %v", name, needed)
		}
		must(t, r.Close())
	}
}
