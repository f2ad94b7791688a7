package route

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// writeRecords writes n records with keys, headers and one that is longer.
func writeRecords(t *testing.T, name string, n int) (payloads []string) {
	t.Helper()
	var all bytes.Buffer
	for i := range n {
		value := fmt.Sprintf("payload %d", i)
		if i == 3 {
			value = strings.Repeat("long ", 40_000)
		}
		payloads = append(payloads, value)
		fmt.Fprintf(&all, `{"key":"k%d","value":%q,"headers":[["h","v"]]}`+"\n", i, value)
	}
	writeFile(t, name, all.Bytes())
	return payloads
}

type line struct {
	Key     string  `json:"key"`
	Value   *string `json:"value"`
	Value64 *string `json:"value64"`
	Headers [][]any `json:"headers"`
}

// readLines reads an ndjson file.
func readLines(t *testing.T, name string) (lines []line) {
	t.Helper()
	for text := range bytes.Lines(readFile(t, name)) {
		var l line
		must(t, json.Unmarshal(text, &l))
		lines = append(lines, l)
	}
	return lines
}

// wantValues checks keys and values of a file, and whether headers are there.
func wantValues(t *testing.T, name string, payloads []string, headers bool) {
	t.Helper()
	lines := readLines(t, name)
	if len(lines) != len(payloads) {
		t.Fatalf("%s: %d lines, not %d", name, len(lines), len(payloads))
	}
	for i, l := range lines {
		if l.Key != fmt.Sprintf("k%d", i) || l.Value == nil || *l.Value != payloads[i] {
			t.Fatalf("%s: line %d is another one", name, i)
		}
		if (len(l.Headers) > 0) != headers {
			t.Errorf("%s: line %d: headers %v", name, i, l.Headers)
		}
	}
}

// TestOtherFormatThereAndBack: encrypt, convert both ways and decrypt carry
// every payload, under new content keys each time.
func TestOtherFormatThereAndBack(t *testing.T) {
	testDir(t)
	payloads := writeRecords(t, "plain.ndjson", 10)
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:a.ndjson", Format: "jwe"})
	for i, l := range readLines(t, "a.ndjson") {
		if l.Value == nil || strings.Count(*l.Value, ".") != 4 || len(l.Headers) != 1 {
			t.Fatalf("line %d is no compact JWE with its header: %v", i, l)
		}
	}
	mustRun(t, Convert, Config{From: "file:a.ndjson", To: "file:b.scx", Format: "cose"})
	mustRun(t, Verify, Config{From: "file:b.scx"})
	mustRun(t, Decrypt, Config{From: "file:b.scx", To: "file:b.ndjson"})
	wantValues(t, "b.ndjson", payloads, false) // the headers of a JWE are not sealed
	mustRun(t, Convert, Config{From: "file:a.ndjson", To: "file:h.scx", Format: "cose", PassExtraHeaders: true})
	mustRun(t, Convert, Config{From: "file:h.scx", To: "file:c.ndjson", Format: "jwe"})
	if a, c := readLines(t, "a.ndjson"), readLines(t, "c.ndjson"); *a[0].Value == *c[0].Value ||
		strings.Split(*a[0].Value, ".")[1] == strings.Split(*c[0].Value, ".")[1] {
		t.Error("a conversion keeps the content key")
	}
	s := mustRun(t, Decrypt, Config{From: "file:c.ndjson", To: "file:d.ndjson", Accept: []string{"jwe"}})
	wantValues(t, "d.ndjson", payloads, false)
	if s.Messages != 10 || s.ExtraHeaders != 10 || s.Unplaced != 10 {
		t.Errorf("%+v", s)
	}
	mustRun(t, Decrypt, Config{From: "file:c.ndjson", To: "file:e.ndjson", Accept: []string{"jwe"}, PassExtraHeaders: true})
	wantValues(t, "e.ndjson", payloads, true)
}

// TestOtherFormatsOfEachKey: each kind of local key is a recipient, alone, with
// another one, and with the public half to seal for.
func TestOtherFormatsOfEachKey(t *testing.T) {
	testDir(t)
	writeFile(t, "rsa.pem", newRSA(t))
	payloads := writeRecords(t, "plain.ndjson", 5)
	for _, sealed := range [][]string{
		{"local:k.jwk"}, {"x25519:x.pub"}, {"rsa:rsa.pem"}, {"local:k.jwk", "x25519:x.pub", "rsa:rsa.pem"},
	} {
		mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:a.ndjson", Format: "jwe", Keys: sealed, Overwrite: true})
		for _, key := range sealed {
			key = strings.Replace(key, "x.pub", "x.pem", 1)
			mustRun(t, Decrypt, Config{From: "file:a.ndjson", To: "file:b.ndjson", Keys: []string{key},
				Accept: []string{"jwe"}, Overwrite: true})
			wantValues(t, "b.ndjson", payloads, false)
		}
		fails(t, Decrypt, Config{From: "file:a.ndjson", To: "file:c.ndjson", Keys: []string{"local:other.jwk"},
			Accept: []string{"jwe"}, Overwrite: true}, "unknown-key")
	}
}

// TestConvertForAnotherKey: --old-key opens, and --key is the partner's, of
// which the public half is enough.
func TestConvertForAnotherKey(t *testing.T) {
	testDir(t)
	payloads := writeRecords(t, "plain.ndjson", 5)
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:a.scx"})
	c := Config{From: "file:a.scx", To: "file:b.ndjson", Format: "jwe", OldKeys: []string{"local:k.jwk"}, Keys: []string{"x25519:x.pub"}}
	mustRun(t, Convert, c)
	mustRun(t, Decrypt, Config{From: "file:b.ndjson", To: "file:c.ndjson", Keys: []string{"x25519:x.pem"}, Accept: []string{"jwe"}})
	wantValues(t, "c.ndjson", payloads, false)
	c.OldKeys, c.Overwrite = nil, true
	fails(t, Convert, c, "x.pub") // the public half opens nothing
}

// TestMixedFormats: where both come, an envelope is judged by the Gate as ever,
// and a message of the other format passes beside it: it neither hides a
// duplicate nor fills a gap.
func TestMixedFormats(t *testing.T) {
	testDir(t)
	payloads := writeRecords(t, "plain.ndjson", 6)
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:own.ndjson"})
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:other.ndjson", Format: "jwe"})
	own := bytes.SplitAfter(readFile(t, "own.ndjson"), []byte("\n"))
	other := bytes.SplitAfter(readFile(t, "other.ndjson"), []byte("\n"))
	mixed := [][]byte{own[0], own[1], other[2], own[1], own[5], other[2]}
	writeFile(t, "mixed.ndjson", bytes.Join(mixed, nil))
	s := mustRun(t, Decrypt, Config{From: "file:mixed.ndjson", To: "file:out.ndjson", Accept: []string{"jwe"}})
	lines := readLines(t, "out.ndjson")
	var got []string
	for _, l := range lines {
		got = append(got, l.Key)
	}
	if strings.Join(got, " ") != "k0 k1 k2 k5 k2" || s.Duplicates != 1 || s.Gaps != 1 || s.Unplaced != 2 {
		t.Errorf("%v, %+v", got, s)
	}
	if *lines[0].Value != payloads[0] {
		t.Error("another payload")
	}
	// Nobody has allowed the other format here.
	fails(t, Decrypt, Config{From: "file:mixed.ndjson", To: "file:no.ndjson"}, "not-an-envelope")
	fails(t, Verify, Config{From: "file:other.ndjson"}, "not-an-envelope")
	// ... nor does not-an-envelope=pass let its payload through: the bytes pass
	// as they are.
	mustRun(t, Decrypt, Config{From: "file:other.ndjson", To: "file:as-is.ndjson", On: []string{"not-an-envelope=pass"}})
	if l := readLines(t, "as-is.ndjson"); strings.Count(*l[0].Value, ".") != 4 {
		t.Error("opened without leave")
	}
}

// TestConvertRejects: a message that has the format of the output already, and
// plaintext, are rejected one by one, in both directions.
func TestConvertRejects(t *testing.T) {
	testDir(t)
	writeRecords(t, "plain.ndjson", 2)
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:cose.ndjson"})
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:jwe.ndjson", Format: "jwe"})
	first := func(name string) []byte {
		text, _, _ := bytes.Cut(readFile(t, name), []byte("\n"))
		return append(text, '\n')
	}
	cose, jwe, plain := first("cose.ndjson"), first("jwe.ndjson"), first("plain.ndjson")
	null := []byte(`{"key":"gone","value":null}` + "\n")
	for format, in := range map[string][]byte{
		"jwe": bytes.Join([][]byte{cose, jwe, plain, null}, nil), "cose": bytes.Join([][]byte{jwe, cose, plain, null}, nil),
	} {
		writeFile(t, "in.ndjson", in)
		c := Config{From: "file:in.ndjson", To: "file:out.ndjson", Format: format, DeadLetter: "file:letters-" + format + ".ndjson", Overwrite: true}
		s := mustRun(t, Convert, c)
		if s.Messages != 4 || s.Rejected != 3 || s.Reasons[pipeline.ReasonAlreadySealed] != 1 ||
			s.Reasons[pipeline.ReasonNotEnvelope] != 1 || s.Reasons[pipeline.ReasonBareTombstone] != 1 {
			t.Errorf("to %s: %+v", format, s)
		}
		if n := len(readLines(t, "out.ndjson")); n != 1 {
			t.Errorf("to %s: %d lines", format, n)
		}
		letters := readFile(t, "letters-"+format+".ndjson")
		if bytes.Contains(letters, []byte("payload 0")) != (format == "jwe") {
			// The letter of a plaintext that was read has it, as with decrypt.
			t.Errorf("to %s: %s", format, letters)
		}
		c.DeadLetter, c.To = "", "file:none.ndjson"
		fails(t, Convert, c, "already-sealed")
	}
}

// TestOtherTombstones: a format without sealed tombstones says so, unless null
// values may pass.
func TestOtherTombstones(t *testing.T) {
	testDir(t)
	writeFile(t, "plain.ndjson", []byte(`{"key":"gone","value":null}`+"\n"))
	fails(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:a.ndjson", Format: "jwe"}, "bare-tombstone: JWE (RFC 7516) has no")
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:b.ndjson", Format: "jwe", On: []string{"bare-tombstone=pass"}})
	same(t, readFile(t, "b.ndjson"), readFile(t, "plain.ndjson"))
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:cose.ndjson"})
	fails(t, Convert, Config{From: "file:cose.ndjson", To: "file:c.ndjson", Format: "jwe"}, "bare-tombstone")
	mustRun(t, Convert, Config{From: "file:cose.ndjson", To: "file:d.ndjson", Format: "jwe", Tombstones: "pass"})
	same(t, readFile(t, "d.ndjson"), readFile(t, "plain.ndjson"))
	mustRun(t, Convert, Config{From: "file:d.ndjson", To: "file:e.ndjson", Format: "cose", Tombstones: "pass"})
	mustRun(t, Decrypt, Config{From: "file:e.ndjson", To: "file:f.ndjson"}) // it is sealed now
}

// TestOtherRaw: single payloads, in both directions, with the line break that a
// shell adds.
func TestOtherRaw(t *testing.T) {
	testDir(t)
	payload := bytes.Repeat([]byte("a payload\n"), 30_000)
	writeFile(t, "plain.txt", payload)
	mustRun(t, Encrypt, Config{From: "file:plain.txt?format=raw", To: "file:a.jwe?format=raw", Format: "jwe"})
	writeFile(t, "b.jwe", append(readFile(t, "a.jwe"), "\r\n"...))
	mustRun(t, Decrypt, Config{From: "file:b.jwe?format=raw", To: "file:b.txt?format=raw", Accept: []string{"jwe"}})
	same(t, readFile(t, "b.txt"), payload)
	mustRun(t, Convert, Config{From: "file:b.jwe?format=raw", To: "file:c.cose?format=raw", Format: "cose"})
	mustRun(t, Decrypt, Config{From: "file:c.cose?format=raw", To: "file:c.txt?format=raw"})
	same(t, readFile(t, "c.txt"), payload)
	mustRun(t, Decrypt, Config{From: "file:c.cose?format=raw", To: "file:c2.txt?format=raw", Accept: []string{"jwe"}})
	same(t, readFile(t, "c2.txt"), payload)
	mustRun(t, Convert, Config{From: "file:c.cose?format=raw", To: "file:d.jwe?format=raw", Format: "jwe"})
	mustRun(t, Decrypt, Config{From: "file:d.jwe?format=raw", To: "file:d.txt?format=raw", Accept: []string{"jwe"}})
	same(t, readFile(t, "d.txt"), payload)
	mustRun(t, Verify, Config{From: "file:d.jwe?format=raw", Accept: []string{"jwe"}})

	for name, c := range map[string]struct {
		open   direct
		config Config
		want   string
	}{
		"sealed twice":   {Encrypt, Config{From: "file:a.jwe?format=raw", Format: "jwe"}, "already-sealed"},
		"not allowed":    {Decrypt, Config{From: "file:a.jwe?format=raw"}, "not-an-envelope"},
		"jwe to jwe":     {Convert, Config{From: "file:a.jwe?format=raw", Format: "jwe"}, "already-sealed"},
		"cose to cose":   {Convert, Config{From: "file:c.cose?format=raw", Format: "cose"}, "already-sealed"},
		"plain to jwe":   {Convert, Config{From: "file:plain.txt?format=raw", Format: "jwe"}, "not-an-envelope"},
		"plain to cose":  {Convert, Config{From: "file:plain.txt?format=raw", Format: "cose"}, "not-an-envelope"},
		"another key":    {Decrypt, Config{From: "file:a.jwe?format=raw", Accept: []string{"jwe"}, Keys: []string{"local:other.jwk"}}, "unknown-key"},
		"tampered":       {Decrypt, Config{From: "file:t.jwe?format=raw", Accept: []string{"jwe"}}, "tampered"},
		"converted, too": {Convert, Config{From: "file:t.jwe?format=raw", Format: "cose"}, "tampered"},
	} {
		t.Run(name, func(t *testing.T) {
			sealed := readFile(t, "a.jwe")
			sealed[len(sealed)/2] ^= 'A' ^ 'B'
			if bytes.IndexByte([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), sealed[len(sealed)/2]) < 0 {
				sealed[len(sealed)/2] = 'A'
			}
			writeFile(t, "t.jwe", sealed)
			c.config.To = "file:none?format=raw"
			fails(t, c.open, c.config, c.want)
			noFile(t, "none")
		})
	}
}

// TestOtherFormatRules: a setting that a format cannot keep is refused before
// anything is opened or made.
func TestOtherFormatRules(t *testing.T) {
	testDir(t)
	writeRecords(t, "plain.ndjson", 1)
	jwe := func(change func(*Config)) Config {
		c := Config{From: "file:plain.ndjson", To: "file:out.ndjson", Format: "jwe"}
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		open   direct
		config Config
		want   string
	}{
		"unknown":         {Encrypt, jwe(func(c *Config) { c.Format = "jew" }), "format"},
		"accepts unknown": {Decrypt, jwe(func(c *Config) { c.Format, c.Accept = "", []string{"cose"} }), "accept"},
		"no format":       {Convert, jwe(func(c *Config) { c.Format = "" }), "format: that of the output is not given"},
		"archive":         {Encrypt, jwe(func(c *Config) { c.To = "file:out.scx" }), "archive"},
		"to an archive":   {Convert, jwe(func(c *Config) { c.To = "file:out.scx" }), "archive"},
		"ref":             {Encrypt, jwe(func(c *Config) { c.Profile, c.KeyStore = "ref", "file:keys" }), "key store: JWE"},
		"sign":            {Encrypt, jwe(func(c *Config) { c.Sign = "k.jwk" }), "sign: JWE"},
		"context":         {Encrypt, jwe(func(c *Config) { c.Context, c.ContextSet = "orders", true }), "context: JWE"},
		"bind":            {Encrypt, jwe(func(c *Config) { c.Bind = []string{"all"} }), "bind: JWE"},
		"compress":        {Encrypt, jwe(func(c *Config) { c.Compress = "zstd" }), "compress: JWE"},
		"pad":             {Encrypt, jwe(func(c *Config) { c.Pad = "padme" }), "pad: JWE"},
		"chunk size":      {Encrypt, jwe(func(c *Config) { c.ChunkSize = 8 << 10 }), "chunk-size: JWE"},
		"max age": {Decrypt, jwe(func(c *Config) { c.Format, c.Accept, c.MaxAge = "", []string{"jwe"}, time.Hour }),
			"max-age: JWE"},
		"signer": {Decrypt, jwe(func(c *Config) { c.Format, c.Accept, c.Signers = "", []string{"jwe"}, []string{"k.pub"} }),
			"signer: JWE"},
		"a key service": {Encrypt, jwe(func(c *Config) { c.Keys = []string{"awskms:alias/x?region=eu-central-1"} }),
			"only local keys"},
		"passes plaintext": {Convert, jwe(func(c *Config) { c.On = []string{"not-an-envelope=pass"} }), "has not opened"},
		"passes its like":  {Convert, jwe(func(c *Config) { c.On = []string{"already-sealed=pass"} }), "has not opened"},
		"a gate's finding": {Convert, jwe(func(c *Config) { c.Format, c.On = "cose", []string{"gap=pass"} }), "gap"},
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, c.open, c.config, c.want)
			noFile(t, "out.ndjson")
		})
	}
}

// TestOtherFormatSays: each run says once what the format lacks, and that a
// conversion opens.
func TestOtherFormatSays(t *testing.T) {
	testDir(t)
	writeRecords(t, "plain.ndjson", 5)
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:cose.ndjson"})
	var logged bytes.Buffer
	env := Env{Log: slog.New(slog.NewTextHandler(&logged, nil))}
	_, err := run(t, Convert, Config{From: "file:cose.ndjson", To: "file:jwe.ndjson", Format: "jwe"}, env)
	must(t, err)
	for _, text := range []string{"converting: messages are opened and sealed again", "a commitment to the key", "direction=convert"} {
		if n := strings.Count(logged.String(), text); n != 1 {
			t.Errorf("%q is said %d times:\n%s", text, n, logged.String())
		}
	}
	if strings.Contains(logged.String(), "payload 1") {
		t.Error("plaintext in the log")
	}
	logged.Reset()
	_, err = run(t, Decrypt, Config{From: "file:jwe.ndjson", To: "file:out.ndjson", Accept: []string{"jwe"}}, env)
	must(t, err)
	if n := strings.Count(logged.String(), "unnoticed"); n != 1 {
		t.Errorf("said %d times:\n%s", n, logged.String())
	}
}

// TestOtherReload: keys that are loaded anew open and seal the other format.
func TestOtherReload(t *testing.T) {
	testDir(t)
	writeRecords(t, "plain.ndjson", 2)
	c := Config{From: "file:plain.ndjson", To: "file:out.ndjson", Format: "jwe", Keys: []string{"local:k.jwk"}}
	r, err := Encrypt(t.Context(), c, Env{Log: quiet})
	must(t, err)
	must(t, r.Reload(t.Context(), []string{"local:other.jwk"}))
	must(t, r.Run(t.Context()))
	must(t, r.Close())
	d := Config{From: "file:out.ndjson", To: "file:again.ndjson", Keys: []string{"local:k.jwk"}, Accept: []string{"jwe"}}
	fails(t, Decrypt, d, "unknown-key")
	r, err = Decrypt(t.Context(), d, Env{Log: quiet})
	must(t, err)
	must(t, r.Reload(t.Context(), []string{"local:other.jwk"}))
	must(t, r.Run(t.Context()))
	must(t, r.Close())
}

// TestSameOther: two messages of another format that one id names are the same,
// although every byte of them differs; an envelope is not.
func TestSameOther(t *testing.T) {
	testDir(t)
	f := otherFormats()[0]
	writeRecords(t, "plain.ndjson", 1)
	values := map[string][]byte{}
	for name, format := range map[string]string{"one": "jwe", "two": "jwe", "cose": "cose"} {
		mustRun(t, Encrypt, Config{From: "file:plain.ndjson?format=raw", To: "file:" + name + "?format=raw", Format: format})
		values[name] = readFile(t, name)
	}
	if !envelope.IsEnvelope(values["cose"]) {
		t.Fatal("no envelope")
	}
	isSame := newSameMessage(false, &f)
	for stored, want := range map[string]bool{"two": true, "cose": false} {
		got := isSame(&pipeline.Message{Value: values[stored]}, &pipeline.Message{Value: values["one"]})
		if got != want {
			t.Errorf("%s: %v", stored, got)
		}
	}
}
