package route

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

func TestFileEnds(t *testing.T) {
	for in, want := range map[string]fileEnd{
		"file:orders.ndjson":          {path: "orders.ndjson", format: format.NDJSON},
		"file:a/b.jsonl":              {path: "a/b.jsonl", format: format.NDJSON},
		"file:../a.scx":               {path: "../a.scx", format: format.Seq},
		"file:/abs/report.pdf":        {path: "/abs/report.pdf", format: format.Raw},
		"file:///abs/report.pdf":      {path: "/abs/report.pdf", format: format.Raw},
		"file:-":                      {path: "-", format: format.Raw},
		"file:-?format=ndjson":        {path: "-", format: format.NDJSON},
		"file:x.ndjson?format=raw":    {path: "x.ndjson", format: format.Raw},
		"file:x?format=seq&until=end": {path: "x", format: format.Seq},
		"file:a%20b%3F.scx":           {path: "a b?.scx", format: format.Seq},
	} {
		e, err := parseEnd(in, source)
		if err != nil || e.file == nil || *e.file != want {
			t.Errorf("%s: got %+v, %v", in, e.file, err)
		}
	}
}

func TestFileSinks(t *testing.T) {
	for in, want := range map[string]fileEnd{
		"file:a.scx":                        {path: "a.scx", format: format.Seq},
		"file:a.scx?append=true":            {path: "a.scx", format: format.Seq, append: true},
		"file:a?append=true&format=ndjson":  {path: "a", format: format.NDJSON, append: true},
		"file:a.ndjson?append=false":        {path: "a.ndjson", format: format.NDJSON},
		"file:-?append=false&format=ndjson": {path: "-", format: format.NDJSON},
	} {
		e, err := parseEnd(in, sink)
		if err != nil || *e.file != want {
			t.Errorf("%s: got %+v, %v", in, e.file, err)
		}
	}
}

func TestNATSSources(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]natsEnd{
		"nats://h:4222/ORDERS?consumer=enc": {stream: "ORDERS", consumer: "enc", conn: nats.ConnOptions{URL: "nats://h:4222"}},
		"nats://a:1,b:2/S?until=end&subject=x.*,y": {
			stream: "S", untilEnd: true, filters: []string{"x.*", "y"}, conn: nats.ConnOptions{URL: "nats://a:1,nats://b:2"},
		},
		"nats:///S?context=prod&consumer=c":        {stream: "S", consumer: "c", conn: nats.ConnOptions{Context: "prod"}},
		"nats://h/S?start=17":                      {stream: "S", start: nats.Start{Sequence: 17}, conn: nats.ConnOptions{URL: "nats://h"}},
		"nats://h/S?start=new":                     {stream: "S", start: nats.Start{New: true}, conn: nats.ConnOptions{URL: "nats://h"}},
		"nats://h/S?start=beginning":               {stream: "S", conn: nats.ConnOptions{URL: "nats://h"}},
		"nats://h/S?start=2026-01-02T03:04:05Z":    {stream: "S", start: nats.Start{Time: at}, conn: nats.ConnOptions{URL: "nats://h"}},
		"nats://h/S?creds=a+b.creds&ack-wait=45s":  {stream: "S", ackWait: 45 * time.Second, conn: nats.ConnOptions{URL: "nats://h", Creds: "a+b.creds"}},
		"nats://h/S?tls=true&ca=c&cert=d&key=e":    {stream: "S", conn: nats.ConnOptions{URL: "nats://h", TLS: true, CA: "c", Cert: "d", Key: "e"}},
		"nats://h/S?user=u&password-file=p&nkey=k": {stream: "S", conn: nats.ConnOptions{URL: "nats://h", User: "u", PasswordFile: "p", NKey: "k"}},
	} {
		e, err := parseEnd(in, source)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		want.conn.Name = "streamcrypt"
		got := *e.nats
		if got.stream != want.stream || got.consumer != want.consumer || got.conn != want.conn || got.start != want.start ||
			got.untilEnd != want.untilEnd || got.ackWait != want.ackWait || strings.Join(got.filters, ",") != strings.Join(want.filters, ",") {
			t.Errorf("%s: got %+v", in, got)
		}
	}
}

func TestNATSSinks(t *testing.T) {
	for in, want := range map[string]struct {
		pattern string
		create  bool
	}{
		"nats://h/ENC":                                   {">", false},
		"nats://h/ENC?subject=enc.orders":                {"enc.orders", false},
		"nats://h/ENC?subject=enc.>&strip=plain":         {"enc.>", false},
		"nats://h/ENC?create=true&stream-subjects=a,b.>": {">", true},
	} {
		e, err := parseEnd(in, sink)
		if err != nil || e.nats.subjects.Pattern() != want.pattern || e.nats.create != want.create {
			t.Errorf("%s: got %+v, %v", in, e.nats, err)
		}
	}
}

func TestEndsAreRefused(t *testing.T) {
	tests := []struct {
		in   string
		as   role
		want string
		hint string
	}{
		{"", source, "from: no URL", ""},
		{"orders.ndjson", source, "no scheme", "file:PATH"},
		{"fille:x", sink, `to: unknown scheme "fille", the nearest known one is "file"`, ""},
		{"s3://b/k", source, `unknown scheme "s3", known are file, kafka, nats`, ""},
		{"file:", source, "no path", ""},
		{"file://host/x", source, "no host", "file:///PATH"},
		{"file:x?fromat=raw", source, `unknown parameter "fromat", the nearest known one is "format"`, ""},
		{"file:x?format=ndjsn", sink, `the nearest known one is "ndjson"`, ""},
		{"file:x?until=never", source, `unknown value "never"`, ""},
		{"file:x.ndjson?append=true", source, `unknown parameter "append"`, ""},
		{"file:x.ndjson?append=true", deadLetter, `unknown parameter "append"`, ""}, // they always are
		{"file:x?append=true", sink, "a raw file is one payload", "format=ndjson"},
		{"nats://h/S?consumr=enc", source, `unknown parameter "consumr", the nearest known one is "consumer"`, ""},
		{"nats://h/S?create=true", source, `unknown parameter "create"`, ""},
		{"nats://h/S?consumer=enc", sink, `unknown parameter "consumer"`, ""},
		{"nats://h/S?start=yesterday", source, "not a place in a stream", "beginning, new"},
		{"nats://h/S?start=0", source, "not a place in a stream", ""},
		{"nats://h/S?start=-1&consumr=x", source, `"consumr"`, ""},
		{"nats://h/S?subject=a..b", sink, "parameter subject", ""},
		{"nats://h/S?subject=a&strip=b", sink, "parameter subject", ""},
		{"nats://h/S?create=yes", sink, `unknown value "yes"`, ""},
		{"nats://h", source, "no stream", "nats://HOST:PORT/STREAM"},
		{"nats:S", source, "no stream", ""},
		{"nats:///S", source, "no host", "context=NAME"},
		{"nats://a,,b/S", source, "no host", ""},
		{"nats://joe:hunter2@h/S", source, "a user before the host", ""},
		{"nats://h/S?password=hunter2", source, `unknown parameter "password", the nearest known one`, ""},
		{"nats://h/S?subject=a.>", deadLetter, "no subject of their own", "subject=dead.orders"},
	}
	for _, tc := range tests {
		_, err := parseEnd(tc.in, tc.as)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			if tc.in == "nats://h/S?password=hunter2" && err != nil && strings.Contains(err.Error(), `"password"`) {
				continue
			}
			t.Errorf("%s: got %v, want %q in it", tc.in, err, tc.want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats a password: %v", tc.in, err)
		}
		var advised *hint.Error
		if tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)) {
			t.Errorf("%s: hint of %v, want %q in it", tc.in, err, tc.hint)
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
		{"store without scheme", encrypt, Config{KeyStore: "d", Profile: "ref"}, "no scheme", "file:DIR"},
		{"store parameter", encrypt, Config{KeyStore: "file:d?x=1", Profile: "ref"}, `unknown parameter "x"`, ""},
		{"bind without kind", encrypt, Config{Bind: []string{"trace-id"}}, "not of the form", "header:NAME"},
		{"bind without name", encrypt, Config{Bind: []string{"header:"}}, "not of the form", "header:NAME"},
		{"bind kind", encrypt, Config{Bind: []string{"heder:x"}}, `the nearest known one is "header"`, ""},
		{"bind reserved", encrypt, Config{Bind: []string{"header:streamcrypt"}}, "cannot be bound", ""},
		{"no from", encrypt, Config{From: "-"}, "no scheme", "file:PATH"},
		{"no to", encrypt, Config{To: "-"}, "no scheme", "file:PATH"},
		{"raw to records", encrypt, Config{From: "file:a.pdf"}, "file:a.pdf is raw and file:b.ndjson holds records", "format=ndjson"},
		{"records to raw", encrypt, Config{To: "file:b.pdf"}, "file:b.pdf is raw and file:a.ndjson holds records", "format=ndjson"},
		{"raw to nats", encrypt, Config{From: "file:-", To: "nats://h/S"}, "file:- is raw and nats://h/S holds records", "format=ndjson"},
		{"nats to raw", decrypt, Config{From: "nats://h/S", To: "file:-"}, "file:- is raw", "format=ndjson"},
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
		{"checkpoint without files", encrypt, Config{From: "nats://h/A?consumer=c", To: "nats://h/B", Checkpoint: "c"}, "neither end is a file", "leave out"},
		{"raw with bind", encrypt, Config{From: "file:a", To: "file:b", Bind: []string{"header:x"}}, "no headers", ""},
		{"raw with dead letters", decrypt, Config{From: "file:a", To: "file:b", DeadLetter: "file:d.ndjson"}, "one message", ""},
		{"raw with checkpoint", decrypt, Config{From: "file:a", To: "file:b", Checkpoint: "c"}, "as a whole", ""},
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
			_, err := newPlan(tc.do, tc.c, Env{})
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
		{"sealing into a stream", encrypt, Config{From: "nats://h/PLAIN", To: "nats://h/ENC"}, "ENC"},
		{"opening a stream", decrypt, Config{From: "nats://h/ENC", To: "nats://h/PLAIN"}, "ENC"},
		{"verifying a stream", verify, Config{From: "nats://h/ENC"}, "ENC"},
		{"sealing into a file", encrypt, Config{From: "nats://h/PLAIN", To: "file:a.scx"}, ""},
		{"opening a file", decrypt, Config{From: "file:a.scx", To: "nats://h/PLAIN"}, ""},
		{"sealing into a topic", encrypt, Config{From: "kafka://h/orders?group=g", To: "kafka://h/orders.enc"}, "orders.enc"},
		{"opening a topic", decrypt, Config{From: "kafka://h/orders.enc?group=g", To: "nats://h/PLAIN"}, "orders.enc"},
		{"configured", encrypt, Config{From: "nats://h/A", To: "nats://h/B", Context: "orders", ContextSet: true}, "orders"},
		{"configured without saying so", encrypt, Config{From: "nats://h/A", To: "nats://h/B", Context: "orders"}, "orders"},
		{"configured as empty", encrypt, Config{From: "nats://h/A", To: "nats://h/B", ContextSet: true}, ""},
	} {
		p, err := newPlan(tc.do, tc.c, Env{})
		if err != nil || string(p.context) != tc.want {
			t.Errorf("%s: got %v, %v", tc.name, p, err)
		}
	}
}
