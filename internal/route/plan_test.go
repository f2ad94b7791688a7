package route

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// An error of a URL names the end that it is for, and what could be written.
func TestURLsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		c          Config
		want, hint string
	}{
		{Config{To: "file:b.ndjson"}, "from: no URL", ""},
		{Config{From: "h.example:9092/orders"}, "from: no scheme", "write file:PATH, kafka://HOST:PORT/TOPIC or nats://HOST:PORT/STREAM"},
		{Config{From: "file:a.ndjson", To: "fille:x"}, `to: unknown scheme "fille", the nearest known one is "file"`, ""},
		{Config{From: "s3://b/k"}, `from: unknown scheme "s3", known are file, kafka, nats`, ""},
		{Config{From: "kafak://h/t"}, `the nearest known one is "kafka"`, ""},
		{Config{From: "nats://joe:hunter2@h/S"}, "from: nats: a user before the host", ""},
		{Config{From: "file:a.ndjson", To: "file:b.ndjson", DeadLetter: "file:c"}, "dead letters: file:c: raw cannot", "ndjson"},
		{Config{From: "kafka://h/t?grup=g"}, `from: kafka://h/t: unknown parameter "grup"`, ""},
	} {
		_, err := newPlan(encrypt, tc.c, Env{}.complete())
		var advised *hint.Error
		switch {
		case err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%+v: got %v, want %q in it", tc.c, err, tc.want)
		case tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)):
			t.Errorf("%+v: the hint of %v lacks %q", tc.c, err, tc.hint)
		}
	}
}

func TestPlansAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "there.ndjson", nil)
	tests := []struct {
		name string
		do   direction
		c    Config
		want string
		hint string
	}{
		{"ref without a store", encrypt, Config{Profile: "ref"}, "no key store", "--keystore file:DIR"},
		{"store with self", encrypt, Config{KeyStore: "file:d"}, "need none", "--profile ref"},
		{"profile", encrypt, Config{Profile: "rf"}, `the nearest known one is "ref"`, ""},
		{"nonce", encrypt, Config{Nonce: "randm"}, `the nearest known one is "random"`, ""},
		{"tombstones", decrypt, Config{Tombstones: "pas"}, `the nearest known one is "pass"`, ""},
		{"store scheme", encrypt, Config{KeyStore: "nats://h/kv", Profile: "ref"}, `unknown scheme "nats"`, ""},
		{"store without scheme", encrypt, Config{KeyStore: "://d", Profile: "ref"}, "no scheme", "file:DIR"},
		{"store parameter", encrypt, Config{KeyStore: "file:d?x=1", Profile: "ref"}, `unknown parameter "x"`, ""},
		{"bind without kind", encrypt, Config{Bind: []string{"trace-id"}}, "not of the form", "header:NAME"},
		{"bind without name", encrypt, Config{Bind: []string{"header:"}}, "not of the form", "header:NAME"},
		{"bind kind", encrypt, Config{Bind: []string{"heder:x"}}, `the nearest known one is "header"`, ""},
		{"bind reserved", encrypt, Config{Bind: []string{"header:streamcrypt"}}, "cannot be bound", ""},
		{"no from", encrypt, Config{From: "kafka//h/t"}, "no scheme", "file:PATH"},
		{"no to", encrypt, Config{To: "kafka//h/t"}, "no scheme", "file:PATH"},
		{"raw to records", encrypt, Config{From: "file:a.pdf"}, "file:a.pdf is raw and file:b.ndjson holds records", "format=ndjson"},
		{"records to raw", encrypt, Config{To: "file:b.pdf"}, "file:b.pdf is raw and file:a.ndjson holds records", "format=ndjson"},
		{"raw to nats", encrypt, Config{From: "file:-", To: "nats://h/S"}, "file:- is raw and nats://h/S holds records", "format=ndjson"},
		{"nats to raw", decrypt, Config{From: "nats://h/S?consumer=c", To: "file:-"}, "file:- is raw", "format=ndjson"},
		{"seq is sealed already", encrypt, Config{From: "file:a.scx"}, "envelopes already", "decrypt"},
		{"seq holds no plaintext", decrypt, Config{To: "file:b.scx"}, "envelopes only", ".ndjson"},
		{"same file", encrypt, Config{From: "file:there.ndjson", To: "file:./there.ndjson"}, "from and to are the same", ""},
		{"same stream", encrypt, Config{From: "nats://h/S?consumer=c", To: "nats://h/S?subject=x"}, "from and to are the same", ""},
		{"letters in the output", encrypt, Config{DeadLetter: "file:b.ndjson"}, "to and the dead letters are the same", ""},
		{"letters in the input", encrypt, Config{DeadLetter: "file:a.ndjson"}, "from and the dead letters are the same", ""},
		{"letters on standard output too", encrypt, Config{To: "file:-?format=ndjson", DeadLetter: "file:-?format=ndjson"}, "are the same", ""},
		{"letters in a raw file", encrypt, Config{DeadLetter: "file:dead"}, "raw cannot hold dead letters", "ndjson"},
		{"letters in a seq", encrypt, Config{DeadLetter: "file:dead.scx"}, "seq cannot hold dead letters", "ndjson"},
		{"checkpoint is the output", encrypt, Config{Checkpoint: "b.ndjson"}, "to and the checkpoint are the same", ""},
		{"checkpoint without files", encrypt, Config{From: "nats://h/A,B?consumer=c", To: "nats://h/{topic}_B", Checkpoint: "c"}, "keeps how far it was read by itself", "leave out"},
		{"neither consumer nor checkpoint", encrypt, Config{From: "nats://h/A", To: "nats://h/B"}, "neither a consumer nor an end", "--checkpoint FILE"},
		{"raw with bind", encrypt, Config{From: "file:a", To: "file:b", Bind: []string{"header:x"}}, "no headers", ""},
		{"raw with dead letters", decrypt, Config{From: "file:a", To: "file:b", DeadLetter: "file:d.ndjson"}, "one message", ""},
		{"raw with checkpoint", decrypt, Config{From: "file:a", To: "file:b", Checkpoint: "c"}, "as a whole", ""},
		{"one topic", encrypt, Config{From: "kafka://h/t?group=g", To: "kafka://h/t"}, "from and to are the same", ""},
		{"its own letters", encrypt, Config{From: "kafka://h/t?group=g", To: "kafka://h/u", DeadLetter: "kafka://h/u"}, "to and the dead letters are the same", ""},
		{"checkpoint of a topic", encrypt, Config{From: "kafka://h/t?group=g", To: "kafka://h/u", Checkpoint: "c"}, "keeps how far it was read by itself", "group"},
		{"a topic into a raw file", encrypt, Config{From: "kafka://h/t?group=g", To: "file:a"}, "holds records", "format="},
		{"checkpoint of standard input", encrypt, Config{From: "file:-?format=ndjson", Checkpoint: "c"}, "a pipe cannot be begun again", "leave out"},
		{"checkpoint of standard output", encrypt, Config{To: "file:-?format=ndjson", Checkpoint: "c"}, "a pipe cannot be begun again", "leave out"},
		{"append and overwrite", encrypt, Config{To: "file:b.ndjson?append=true", Overwrite: true}, "append and overwrite", ""},
		{"budget", encrypt, Config{Budget: 1}, "budget: 1 bytes are below 65536", ""},
		{"budget of everything", encrypt, Config{Budget: math.MaxInt64}, "budget: 9223372036854775807 bytes are above", ""},
		{"workers", encrypt, Config{Workers: -1}, "workers must not be negative", ""},
		{"read-ahead", verify, Config{To: "none", ReadAhead: -1}, "read-ahead must not be negative", ""},
		{"read-ahead of a stream", encrypt, Config{From: "nats://h/S?consumer=c", ReadAhead: 1 << 30}, "read-ahead: 1073741824 bytes are above 62914560", ""},
		{"grace", encrypt, Config{Grace: -1}, "grace must not be negative", ""},
		{"chunk size", encrypt, Config{ChunkSize: 1}, "chunk size of 1 bytes", ""},
		{"chunk size of everything", encrypt, Config{ChunkSize: 1 << 40}, "chunk size of 1099511627776 bytes", ""},
		{"window", encrypt, Config{Window: 1}, "window: an age of 1ns", ""},
		{"window's messages", encrypt, Config{WindowMessages: 1 << 40}, "more than 2^32 messages", ""},
		{"window's bytes", encrypt, Config{WindowBytes: 1 << 50}, "more than 2^40 bytes", ""},
		{"key scheme", encrypt, Config{Keys: []string{"lcoal:k"}}, `the nearest known one is "local"`, ""},
		{"old key's scheme", rewrap, Config{OldKeys: []string{"lcoal:k"}}, `old: key: unknown kind of key "lcoal"`, ""},
		{"key parameter", encrypt, Config{Keys: []string{"awskms:alias/x?rgion=y"}}, `the nearest known one is "region"`, ""},
		{"no credentials", encrypt, Config{From: "kafka://h/t?group=g&ca=none.pem"}, "from: kafka://h/t: parameter ca: stat none.pem", ""},
		{"no seed", encrypt, Config{To: "nats://h/S?nkey=none.nk"}, "to: nats://h/S: parameter nkey: stat none.nk", ""},
		{"verify writes", verify, Config{}, "verify writes nothing", "--to"},
		{"verify remembers", verify, Config{From: "nats://h/S?consumer=c", To: "none"}, "durable consumer", "consumer="},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if tc.c.From == "" {
				tc.c.From = "file:a.ndjson"
			}
			if tc.c.To == "" {
				tc.c.To = "file:b.ndjson"
			}
			if tc.c.To == "none" {
				tc.c.To = ""
			}
			_, err := newPlan(tc.do, tc.c, Env{}.complete())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q in it", err, tc.want)
			}
			var advised *hint.Error
			if tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)) {
				t.Errorf("hint of %v: want %q in it", advised, tc.hint)
			}
		})
	}
}

func TestContext(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   direction
		c    Config
		want string
	}{
		{"sealing into a stream", encrypt, Config{From: "nats://h/PLAIN?consumer=c", To: "nats://h/ENC"}, "ENC"},
		{"opening a stream", decrypt, Config{From: "nats://h/ENC?consumer=c", To: "nats://h/PLAIN"}, "ENC"},
		{"verifying a stream", verify, Config{From: "nats://h/ENC"}, "ENC"},
		{"sealing into a file", encrypt, Config{From: "nats://h/PLAIN?consumer=c", To: "file:a.scx"}, ""},
		{"opening a file", decrypt, Config{From: "file:a.scx", To: "nats://h/PLAIN"}, ""},
		{"sealing into a topic", encrypt, Config{From: "kafka://h/orders?group=g", To: "kafka://h/orders.enc"}, "orders.enc"},
		{"opening a topic", decrypt, Config{From: "kafka://h/orders.enc?group=g", To: "nats://h/PLAIN"}, "orders.enc"},
		{"configured", encrypt, Config{From: "nats://h/A?consumer=c", To: "nats://h/B", Context: "orders", ContextSet: true}, "orders"},
		{"configured without saying so", encrypt, Config{From: "nats://h/A?consumer=c", To: "nats://h/B", Context: "orders"}, "orders"},
		{"configured as empty", encrypt, Config{From: "nats://h/A?consumer=c", To: "nats://h/B", ContextSet: true}, ""},
	} {
		p, err := newPlan(tc.do, tc.c, Env{}.complete())
		if err != nil || string(p.context) != tc.want {
			t.Errorf("%s: got %v, %v", tc.name, p, err)
		}
	}
}

// Secrets that others can read are used, with a warning.
func TestWideSecretsAreWarnedOf(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "wide", []byte("hunter2"))
	writeFile(t, "narrow", []byte("hunter2"))
	must(t, os.Chmod("wide", 0o644))
	for to, want := range map[string]bool{
		"kafka://h/t?sasl=plain&user=u&password-file=wide":   true,
		"kafka://h/t?sasl=plain&user=u&password-file=narrow": false,
		"kafka://h/t?ca=wide":                                false,
		"nats://h/S?creds=wide":                              true,
		"nats://h/S?user=u&password-file=wide":               true,
		"nats://h/S?nkey=narrow":                             false,
	} {
		var logged strings.Builder
		env := Env{Log: slog.New(slog.NewTextHandler(&logged, nil))}.complete()
		if _, err := newPlan(encrypt, Config{From: "file:a.ndjson", To: to}, env); err != nil {
			t.Errorf("%s: %v", to, err)
		}
		if warned := strings.Contains(logged.String(), "read by others"); warned != want || strings.Contains(logged.String(), "hunter2") {
			t.Errorf("%s: logged %q", to, &logged)
		}
	}
}
