package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// kinds holds one line of every kind of message, as the connector writes them.
// A seq keeps milliseconds.
const kinds = `{"key":"k1","value":"hello","headers":[["trace-id","t1"],["x","1"],["trace-id",""]],"time":"2026-01-02T03:04:05.123Z","subject":"orders.eu"}
{"key":"k1","value":null,"headers":[["trace-id","t2"]]}
{"value":null}
{"key64":"//8=","value64":"//79"}
{"key":"","value":"","headers":[["nothing",null],["bytes",{"b64":"/w=="}],["","no name"]]}
{"value":"no key"}
`

func TestRecordsRoundTrip(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	large := fmt.Sprintf("{\"value\":%q}\n", strings.Repeat("z", 100_000)) // several chunks
	lines := []byte(kinds + large)
	writeFile(t, "in.ndjson", lines)
	bind := []string{"header:trace-id", "header:absent"}
	for _, sealed := range []string{"sealed.scx", "sealed.ndjson"} {
		for profile := range profiles {
			t.Run(profile+" "+sealed, func(t *testing.T) {
				c := func(from, to string) Config {
					return config(profile, Config{From: "file:" + from, To: to, Bind: bind, ChunkSize: 4096, Overwrite: true, Workers: 3})
				}
				s := mustRun(t, Encrypt, c("in.ndjson", "file:"+sealed))
				if s.Messages != 7 || s.Done != int64(len(lines)) || s.Total != s.Done || s.Unit != endpoint.Bytes {
					t.Errorf("sealing: %+v", s)
				}
				if bytes.Contains(readFile(t, sealed), []byte("hello")) {
					t.Error("the output shows a payload")
				}
				if s = mustRun(t, Verify, c(sealed, "")); s.Messages != 7 || s.BytesOut != 0 || s.Gaps+s.Foreign > 0 {
					t.Errorf("verifying: %+v", s)
				}
				mustRun(t, Decrypt, c(sealed, "file:out.ndjson"))
				same(t, readFile(t, "out.ndjson"), lines)

				without := c(sealed, "file:none.ndjson")
				without.Bind = bind[:1]
				fails(t, Decrypt, without, "@0: tampered")
				noFile(t, "none.ndjson")
			})
		}
	}
}

func TestRecordsOnPipes(t *testing.T) {
	testDir(t)
	var sealed, opened bytes.Buffer
	_, err := run(t, Encrypt, Config{From: "file:-?format=ndjson", To: "file:-?format=seq"}, Env{Stdin: strings.NewReader(kinds), Stdout: &sealed})
	must(t, err)
	_, err = run(t, Decrypt, Config{From: "file:-?format=seq", To: "file:-?format=ndjson"}, Env{Stdin: &sealed, Stdout: &opened})
	must(t, err)
	same(t, opened.Bytes(), []byte(kinds))
}

func TestRecordRefusals(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(kinds))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx", Context: "orders"})
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson", Context: "orders"})
	sealed := readFile(t, "s.ndjson")
	line := func(i int) []byte { return bytes.SplitAfter(sealed, []byte("\n"))[i] }
	writeFile(t, "moved.ndjson", bytes.Replace(line(0), []byte(`"key":"k1"`), []byte(`"key":"k2"`), 1))
	writeFile(t, "subject.ndjson", bytes.Replace(line(0), []byte("orders.eu"), []byte("orders.us"), 1))
	writeFile(t, "bare.ndjson", []byte(`{"key":"k1","value":null}`))
	writeFile(t, "plain.ndjson", []byte(`{"key":"k1","value":"plain"}`))
	writeFile(t, "revived.ndjson", bytes.Replace(line(1), []byte(`"value":null`), []byte(`"value":""`), 1))
	writeFile(t, "bad.ndjson", []byte("{\"value\":\"x\"}\n{oops}\n"))
	writeFile(t, "reserved.ndjson", []byte(`{"value":"x","headers":[["streamcrypt","y"]]}`))

	decrypt := func(from string) Config {
		return Config{From: "file:" + from, To: "file:out.ndjson", Context: "orders"}
	}
	for from, want := range map[string]string{
		"moved.ndjson": "moved.ndjson@0: tampered", "subject.ndjson": "subject.ndjson@0: tampered",
		"bare.ndjson": "bare.ndjson@0: bare-tombstone", "plain.ndjson": "plain.ndjson@0: not-an-envelope",
		"revived.ndjson": "reserved-header", "bad.ndjson": "not-an-envelope", "in.ndjson": "not-an-envelope",
	} {
		fails(t, Decrypt, decrypt(from), want)
		fails(t, Verify, Config{From: "file:" + from, Context: "orders"}, want)
		noFile(t, "out.ndjson")
	}
	for _, from := range []string{"s.scx", "s.ndjson"} {
		c := decrypt(from)
		c.Context = ""
		fails(t, Decrypt, c, "tampered") // the default is empty for files
		c = decrypt(from)
		c.Keys = []string{"local:other.jwk"}
		fails(t, Decrypt, c, "unknown-key")
		noFile(t, "out.ndjson")
	}
	fails(t, Encrypt, Config{From: "file:reserved.ndjson", To: "file:out.scx"}, "reserved-header")
	fails(t, Encrypt, Config{From: "file:bad.ndjson", To: "file:out.scx"}, "bad.ndjson")
	refuses(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"}, "file already exists")
	refuses(t, Encrypt, Config{From: "file:none.ndjson", To: "file:out.scx"}, "no such file")
	refuses(t, Encrypt, Config{From: "file:in.ndjson", To: "file:no/such/out.scx"}, "no such file")
	refuses(t, Encrypt, Config{From: "file:in.ndjson", To: "file:out.scx", ChunkSize: 1}, "chunk size")
	refuses(t, Encrypt, Config{From: "file:in.ndjson", To: "file:out.scx", Profile: "ref", KeyStore: "file:none"}, "key store")
	noFile(t, "out.scx")

	pass := decrypt("bare.ndjson")
	pass.Tombstones = "pass"
	mustRun(t, Decrypt, pass)
	same(t, readFile(t, "out.ndjson"), []byte(`{"key":"k1","value":null}`+"\n"))
}

// A seq that is cut, or changed anywhere, leaves no output.
func TestSeqCorruption(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"v"}`+"\n"+`{"value":null}`+"\n"))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	sealed := readFile(t, "s.scx")
	try := func(bad []byte, what string) {
		t.Helper()
		writeFile(t, "bad.scx", bad)
		if _, err := run(t, Decrypt, Config{From: "file:bad.scx", To: "file:out.ndjson"}, Env{}); err == nil {
			t.Fatalf("%s: accepted", what)
		}
		noFile(t, "out.ndjson")
	}
	for n := 0; n < len(sealed); n += 7 {
		try(sealed[:n], fmt.Sprint("cut at ", n))
		bad := bytes.Clone(sealed)
		bad[n] ^= 1 << (n % 8)
		try(bad, fmt.Sprint("flipped in ", n))
	}
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:other.scx"})
	other := readFile(t, "other.scx")
	end := bytes.LastIndex(sealed, []byte{0xd8, 0x60}) // the envelope of the end record, which covers the messages
	otherEnd := bytes.LastIndex(other, []byte{0xd8, 0x60})
	frame := func(b []byte, at int) int { return bytes.LastIndex(b[:at], []byte{0, 0}) } // before the end record's length
	if end < 0 || otherEnd < 0 || frame(sealed, end) < 0 {
		t.Fatal("no end record found")
	}
	try(append(bytes.Clone(sealed[:frame(sealed, end)]), other[frame(other, otherEnd):]...), "another file's end record")
}

func TestDeadLetters(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"a","value":"1"}
{"key":"b","value":"payload","headers":[["streamcrypt","x"]]}
{"key":"c","value":"3"}
`))
	s := mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson", DeadLetter: "file:dead.ndjson"})
	if s.Messages != 3 || s.Rejected != 1 || s.Reasons["reserved-header"] != 1 || s.Parked != 0 {
		t.Errorf("%+v", s)
	}
	dead := readFile(t, "dead.ndjson")
	if !bytes.Contains(dead, []byte(`"in.ndjson@1"`)) || !bytes.Contains(dead, []byte(`"reserved-header"`)) ||
		!bytes.Contains(dead, []byte(`"value":null`)) || bytes.Contains(dead, []byte("payload")) {
		t.Errorf("the dead letter of a plaintext: %s", dead)
	}

	sealed := readFile(t, "s.ndjson")
	moved := bytes.Replace(sealed, []byte(`"key":"a"`), []byte(`"key":"z"`), 1)
	writeFile(t, "moved.ndjson", moved)
	s = mustRun(t, Decrypt, Config{From: "file:moved.ndjson", To: "file:out.ndjson", DeadLetter: "file:dead.ndjson"})
	if s.Messages != 2 || s.Rejected != 1 || s.Reasons["tampered"] != 1 {
		t.Errorf("%+v", s)
	}
	same(t, readFile(t, "out.ndjson"), []byte(`{"key":"c","value":"3"}`+"\n"))
	both := bytes.SplitAfter(readFile(t, "dead.ndjson"), []byte("\n"))
	value := func(line []byte) []byte { return line[bytes.Index(line, []byte(`"value64":`)):][:40] }
	if len(both) != 3 || !bytes.Equal(both[0], dead) || !bytes.Equal(value(both[1]), value(moved)) {
		t.Errorf("the letters of two runs, the second with the ciphertext: %s", both)
	}
}

// limited writes so much and then fails, as a disk that is full.
type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestCheckpointGoesOn(t *testing.T) {
	testDir(t)
	var lines []byte
	for i := range 300 {
		lines = fmt.Appendf(lines, "{\"key\":\"k%d\",\"value\":\"%0200d\"}\n", i, i)
	}
	bad := append(bytes.Clone(lines[:len(lines)/2]), "oops\n"...)
	bad = bad[:bytes.LastIndexByte(bad[:len(bad)-5], '\n')+1]
	writeFile(t, "in.ndjson", append(bytes.Clone(bad), "oops\n"...))
	c := Config{From: "file:in.ndjson", To: "file:s.scx", Checkpoint: "ck", ReadAhead: 4096}
	fails(t, Encrypt, c, "in.ndjson")
	first := readFile(t, "s.scx.partial")
	noFile(t, "s.scx")

	writeFile(t, "in.ndjson", lines) // what the first run could not read is mended
	s := mustRun(t, Encrypt, c)
	done := bytes.Count(bad, []byte("\n"))
	if s.Messages != int64(300-done) {
		t.Errorf("the second run sealed %d messages after %d", s.Messages, done)
	}
	if !bytes.HasPrefix(readFile(t, "s.scx"), first) {
		t.Error("the second run did not go on behind the first")
	}
	v := mustRun(t, Verify, Config{From: "file:s.scx"})
	if v.Messages != 300 || v.Gaps != 0 || v.Skipped != 0 || v.Foreign != 0 {
		t.Errorf("a restart left a seam: %+v", v)
	}
	mustRun(t, Decrypt, Config{From: "file:s.scx", To: "file:out.ndjson"})
	same(t, readFile(t, "out.ndjson"), lines)
	refuses(t, Encrypt, Config{From: "file:in.ndjson", To: "file:else.scx", Checkpoint: "ck"}, "made for destination")
}

// What is there twice is written once.
func TestGateOnFiles(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte("{\"value\":\"0\"}\n{\"value\":\"1\"}\n{\"value\":\"2\"}\n{\"value\":\"3\"}\n"))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson"})
	line := bytes.SplitAfter(readFile(t, "s.ndjson"), []byte("\n"))
	writeFile(t, "again.ndjson", bytes.Join([][]byte{line[0], line[1], line[0], line[1], line[3]}, nil))
	s := mustRun(t, Decrypt, Config{From: "file:again.ndjson", To: "file:out.ndjson"})
	if s.Messages != 5 || s.Skipped != 2 {
		t.Errorf("%+v", s)
	}
	same(t, readFile(t, "out.ndjson"), []byte("{\"value\":\"0\"}\n{\"value\":\"1\"}\n{\"value\":\"3\"}\n"))
}

func TestRecordsOutputFails(t *testing.T) {
	testDir(t)
	_, err := run(t, Encrypt, Config{From: "file:-?format=ndjson", To: "file:-?format=ndjson"},
		Env{Stdin: strings.NewReader(kinds), Stdout: &limited{left: 10}})
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}

func TestRecordTooLargeForItsBudget(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", fmt.Appendf(nil, "{\"value\":\"%0300000d\"}\n", 1))
	err := fails(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx", Budget: 64 << 10}, "too-large")
	var advised *hint.Error
	if !errors.As(err, &advised) || !errors.Is(err, format.ErrTooLarge) || !strings.Contains(advised.Hint, "--budget") {
		t.Errorf("got %v", err)
	}
	// A line that may be read, and still cannot be sealed, is the message's
	// fault.
	writeFile(t, "in.ndjson", fmt.Appendf(nil, "{\"value\":\"%080000d\"}\n{\"value\":\"x\"}\n", 1))
	s := mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx", Budget: 64 << 10, DeadLetter: "file:d.ndjson"})
	if s.Rejected != 1 || s.Reasons["too-large"] != 1 {
		t.Errorf("%+v", s)
	}
	fails(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s2.scx", Budget: 1}, "budget")
	fails(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s2.scx", Workers: -1}, "workers")
}

func TestRecordsAreInterrupted(t *testing.T) {
	testDir(t)
	for name, tc := range map[string]struct {
		to          string
		interrupted bool
	}{
		"a pipe into a file": {"file:out.scx", true}, // the file would be half of what the pipe says
		"a pipe into a pipe": {"file:-?format=ndjson", false},
		"a pipe into lines":  {"file:out.ndjson", true},
	} {
		t.Run(name, func(t *testing.T) {
			in, feed := io.Pipe()
			var out bytes.Buffer
			r, err := Encrypt(t.Context(), Config{From: "file:-?format=ndjson", To: tc.to, Keys: []string{"local:k.jwk"}},
				Env{Log: quiet, Stdin: in, Stdout: &out})
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- r.Run(ctx) }()
			_, err = feed.Write([]byte(kinds))
			must(t, err)
			cancel()
			if err = <-ended; errors.Is(err, ErrInterrupted) != tc.interrupted || !tc.interrupted && err != nil {
				t.Errorf("got %v", err)
			}
			must(t, r.Close())
			noFile(t, "out.scx")
			noFile(t, "out.ndjson")
			must(t, feed.Close())
		})
	}
}

func TestMemoryIsCounted(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", nil)
	r, err := Encrypt(t.Context(), Config{From: "file:in.ndjson", To: "file:s.scx", Keys: []string{"local:k.jwk"}, Workers: 4, Budget: 1 << 20}, Env{Log: quiet})
	must(t, err)
	want := pipeline.Memory(pipeline.Options{Workers: 4, Budget: 1 << 20}, 1, 4<<20)
	if got := r.job.(*records).memory; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	must(t, r.Close())
	must(t, r.Close()) // a second time does nothing
	_, err = Encrypt(t.Context(), Config{From: "file:in.ndjson", To: "file:s.scx", Keys: []string{"local:k.jwk"}, Workers: 1 << 16, Budget: 1 << 34}, Env{Log: quiet})
	var advised *hint.Error
	if err != nil && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, "--workers")) {
		t.Errorf("got %v", err) // where there is a cgroup limit
	}
}
