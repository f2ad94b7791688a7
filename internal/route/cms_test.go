package route

import (
	"bytes"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestCMSThereAndBack: encrypt, convert both ways and decrypt carry every
// payload, in both forms, of records and of raw files.
func TestCMSThereAndBack(t *testing.T) {
	testDir(t)
	payloads := writeRecords(t, "plain.ndjson", 6)
	accept := []string{"cms"}
	for _, format := range []string{"cms", "cms-pem"} {
		mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:a.ndjson", Format: format, Overwrite: true})
		for i, l := range readLines(t, "a.ndjson") {
			if isText := l.Value != nil; isText != (format == "cms-pem") || len(l.Headers) != 1 {
				t.Fatalf("%s: line %d: %+v", format, i, l)
			}
		}
		mustRun(t, Convert, Config{From: "file:a.ndjson", To: "file:b.scx", Format: "cose", Overwrite: true})
		mustRun(t, Convert, Config{From: "file:b.scx", To: "file:c.ndjson", Format: format, Overwrite: true})
		s := mustRun(t, Decrypt, Config{From: "file:c.ndjson", To: "file:d.ndjson", Accept: accept, Overwrite: true})
		wantValues(t, "d.ndjson", payloads, false)
		if s.Unplaced != 6 {
			t.Errorf("%s: %+v", format, s)
		}
		mustRun(t, Verify, Config{From: "file:c.ndjson", Accept: accept})
		fails(t, Decrypt, Config{From: "file:c.ndjson", To: "file:none.ndjson"}, "not-an-envelope")

		raw := func(name string) string { return "file:" + name + "?format=raw" }
		mustRun(t, Encrypt, Config{From: raw("plain.ndjson"), To: raw("a.cms"), Format: format, Overwrite: true})
		mustRun(t, Convert, Config{From: raw("a.cms"), To: raw("a.cose"), Format: "cose", Overwrite: true})
		mustRun(t, Convert, Config{From: raw("a.cose"), To: raw("b.cms"), Format: format, Overwrite: true})
		mustRun(t, Decrypt, Config{From: raw("b.cms"), To: raw("b.txt"), Accept: accept, Overwrite: true})
		same(t, readFile(t, "b.txt"), readFile(t, "plain.ndjson"))
		fails(t, Encrypt, Config{From: raw("a.cms"), To: raw("none"), Format: format}, "already-sealed")
		fails(t, Convert, Config{From: raw("a.cms"), To: raw("none"), Format: format}, "already-sealed")
		cut := readFile(t, "a.cms")
		writeFile(t, "cut.cms", cut[:len(cut)-30])
		fails(t, Decrypt, Config{From: raw("cut.cms"), To: raw("none"), Accept: accept}, "truncated")
		noFile(t, "none")
	}
}

// TestCMSOfEachKey: each kind of local key is a recipient.
func TestCMSOfEachKey(t *testing.T) {
	testDir(t)
	writeFile(t, "rsa.pem", newRSA(t))
	payloads := writeRecords(t, "plain.ndjson", 5)
	mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:a.ndjson", Format: "cms",
		Keys: []string{"local:k.jwk", "x25519:x.pub", "rsa:rsa.pem?oaep=sha-512"}})
	for _, key := range []string{"local:k.jwk", "x25519:x.pem", "rsa:rsa.pem"} {
		mustRun(t, Decrypt, Config{From: "file:a.ndjson", To: "file:b.ndjson", Keys: []string{key},
			Accept: []string{"cms"}, Overwrite: true})
		wantValues(t, "b.ndjson", payloads, false)
	}
	fails(t, Decrypt, Config{From: "file:a.ndjson", To: "file:c.ndjson", Keys: []string{"local:other.jwk"},
		Accept: []string{"cms"}}, "unknown-key")
}

// TestCMSBesideOthers: a reader that accepts both formats opens envelopes, JWE
// and CMS in one file, and a conversion takes JWE and CMS.
func TestCMSBesideOthers(t *testing.T) {
	testDir(t)
	payloads := writeRecords(t, "plain.ndjson", 4)
	var mixed, foreign [][]byte
	for i, format := range []string{"cms", "jwe", "cms-pem", "cose"} {
		mustRun(t, Encrypt, Config{From: "file:plain.ndjson", To: "file:" + format + ".ndjson", Format: format})
		line := bytes.SplitAfter(readFile(t, format+".ndjson"), []byte("\n"))[i]
		mixed = append(mixed, line)
		if format != "cose" {
			foreign = append(foreign, line)
		}
	}
	writeFile(t, "mixed.ndjson", bytes.Join(mixed, nil))
	mustRun(t, Decrypt, Config{From: "file:mixed.ndjson", To: "file:out.ndjson", Accept: []string{"jwe", "cms"}})
	if lines := readLines(t, "out.ndjson"); len(lines) != 4 || lines[2].Value == nil || *lines[2].Value != payloads[2] {
		t.Errorf("%+v", lines)
	}
	writeFile(t, "foreign.ndjson", bytes.Join(foreign, nil))
	mustRun(t, Convert, Config{From: "file:foreign.ndjson", To: "file:all.ndjson", Format: "cose"})
	s := mustRun(t, Convert, Config{From: "file:mixed.ndjson", To: "file:one.ndjson", Format: "cms",
		DeadLetter: "file:letters.ndjson"})
	if s.Rejected != 3 || s.Reasons[pipeline.ReasonAlreadySealed] != 2 || s.Reasons[pipeline.ReasonNotEnvelope] != 1 {
		t.Errorf("%+v", s)
	}
}

// TestCMSRules: a source of texts holds JWE and no CMS.
func TestCMSRules(t *testing.T) {
	testDir(t)
	writeFile(t, "plain.txt", []byte("one\ntwo\n"))
	lines := func(name string) string { return "file:" + name + "?format=lines" }
	refuses(t, Encrypt, Config{From: lines("plain.txt"), To: lines("out.txt"), Format: "cms"}, "to: file:out.txt: its format")
	refuses(t, Encrypt, Config{From: lines("plain.txt"), To: lines("out.txt"), Format: "cms-pem"}, "to: file:out.txt: its format")
	refuses(t, Decrypt, Config{From: lines("plain.txt"), To: "file:out.ndjson", Accept: []string{"cms"}}, "from: file:plain.txt: its format")
	refuses(t, Decrypt, Config{From: "file:plain.ndjson", To: "file:out.ndjson", Accept: []string{"cms-pem"}}, "accept")
	refuses(t, Encrypt, Config{From: "file:plain.txt?format=lines", To: "file:out.scx", Format: "cms"}, "archive")
	mustRun(t, Encrypt, Config{From: lines("plain.txt"), To: lines("jwe.txt"), Format: "jwe"})
	mustRun(t, Convert, Config{From: lines("jwe.txt"), To: "file:out.ndjson", Format: "cose"})
}
