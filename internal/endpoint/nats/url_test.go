package nats

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/bounds"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

var table = endpoint.Table{Scheme()}

func TestSources(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	conn := connector.ConnOptions{URL: "nats://h"}
	const ackWait = 30 * time.Second
	latest := bounds.Bound{Form: bounds.Latest}
	for in, want := range map[string]stream{
		"nats://h:4222/ORDERS?consumer=enc": {stream: "ORDERS", consumer: "enc", conn: connector.ConnOptions{URL: "nats://h:4222"}},
		"nats://a:1,b:2/S?until=latest&subject=x.*,y": {
			stream: "S", until: latest, filters: []string{"x.*", "y"}, conn: connector.ConnOptions{URL: "nats://a:1,nats://b:2"},
		},
		"nats:///S?context=prod&consumer=c":                {stream: "S", consumer: "c", conn: connector.ConnOptions{Context: "prod"}},
		"nats://h/S?consumer=c&start=17":                   {stream: "S", consumer: "c", start: bounds.Bound{Form: bounds.Offset, Offset: 17}, conn: conn},
		"nats://h/S?consumer=c&start=latest":               {stream: "S", consumer: "c", start: latest, conn: conn},
		"nats://h/S?consumer=c&start=earliest":             {stream: "S", consumer: "c", conn: conn},
		"nats://h/S?until=latest&start=earliest":           {stream: "S", until: latest, conn: conn},
		"nats://h/S?consumer=c&start=S@17":                 {stream: "S", consumer: "c", start: bounds.Bound{Form: bounds.Offset, Offset: 17}, conn: conn},
		"nats://h/S?until=17":                              {stream: "S", until: bounds.Bound{Form: bounds.Offset, Offset: 17}, conn: conn},
		"nats://h/S?until=S@17":                            {stream: "S", until: bounds.Bound{Form: bounds.Offset, Offset: 17}, conn: conn},
		"nats://h/S?until=S@0":                             {stream: "S", until: bounds.Bound{Form: bounds.Offset, Offset: 1}, conn: conn},
		"nats://h/S?until=2026-01-02T03:04:05Z":            {stream: "S", until: bounds.Bound{Form: bounds.Time, Time: at}, conn: conn},
		"nats://h/S?consumer=c&start=2026-01-02T03:04:05Z": {stream: "S", consumer: "c", start: bounds.Bound{Form: bounds.Time, Time: at}, conn: conn},
		"nats://h/S?consumer=c&creds=a+b.creds&ack-wait=45s": {
			stream: "S", consumer: "c", ackWait: 45 * time.Second, conn: connector.ConnOptions{URL: "nats://h", Creds: "a+b.creds"},
		},
		"nats://h/S?consumer=c&tls=true&ca=c&cert=d&key=e": {
			stream: "S", consumer: "c", conn: connector.ConnOptions{URL: "nats://h", TLS: true, CA: "c", Cert: "d", Key: "e"},
		},
		"nats://h/S?consumer=c&user=u&password-file=p&nkey=k": {
			stream: "S", consumer: "c", conn: connector.ConnOptions{URL: "nats://h", User: "u", PasswordFile: "p", NKey: "k"},
		},
	} {
		e, err := table.Parse(in, endpoint.From)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		want.conn.Name = "streamcrypt"
		if want.ackWait == 0 {
			want.ackWait = ackWait
		}
		got := e.(*stream)
		if got.stream != want.stream || got.consumer != want.consumer || got.conn != want.conn || got.startOf() != want.startOf() ||
			got.isBounded() != want.isBounded() || got.untilOf() != want.untilOf() || got.ackWait != want.ackWait || !slices.Equal(got.filters, want.filters) {
			t.Errorf("%s: got %+v", in, got)
		}
		traits := e.Traits()
		if traits.Context != want.stream || !traits.Log || !traits.TextHeaders || traits.Subjects != endpoint.OwnSubjects ||
			traits.Archive || traits.OneLane || !traits.Checkpoint || endpoint.IsRaw(e) {
			t.Errorf("%s: got %+v", in, traits)
		}
	}
}

// A stream that is only looked at has an end.
func TestLook(t *testing.T) {
	e, err := table.Parse("nats://h/S?start=5", endpoint.Look)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.(*stream); !got.isBounded() || got.startOf().Sequence != 5 || got.consumer != "" {
		t.Errorf("got %+v", got)
	}
}

func TestSinks(t *testing.T) {
	for in, want := range map[string]struct {
		pattern          string
		create, noRewrap bool
	}{
		"nats://h/ENC":                                   {">", false, false},
		"nats://h/ENC?subject=enc.orders":                {"enc.orders", false, true},
		"nats://h/ENC?subject=enc.>&strip=plain":         {"enc.>", false, true},
		"nats://h/ENC?create=true&stream-subjects=a,b.>": {">", true, false},
	} {
		e, err := table.Parse(in, endpoint.To)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got := e.(*stream)
		if got.subjects.Pattern() != want.pattern || got.create != want.create || (got.Traits().NoRewrap != nil) != want.noRewrap {
			t.Errorf("%s: got %+v", in, got)
		}
	}
}

func TestFiles(t *testing.T) {
	e, err := table.Parse("nats://h/S?user=u&password-file=p&ca=c&cert=d&key=e", endpoint.To)
	if err != nil {
		t.Fatal(err)
	}
	want := []endpoint.NamedFile{
		{Param: "ca", Path: "c"}, {Param: "cert", Path: "d"},
		{Param: "key", Path: "e", Secret: true}, {Param: "password-file", Path: "p", Secret: true},
	}
	if got := e.Traits().Files; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestURLsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		in         string
		as         endpoint.Role
		want, hint string
	}{
		{"nats://h/S?consumr=enc", endpoint.From, `unknown parameter "consumr", the nearest known one is "consumer"`, ""},
		{"nats://h/S?create=true", endpoint.From, `unknown parameter "create"`, ""},
		{"nats://h/S?consumer=enc", endpoint.To, `unknown parameter "consumer"`, ""},
		{"nats://h/S?start=yesterday", endpoint.From, `parameter start: "yesterday" is no position`, "start= is earliest, latest, an offset from 1"},
		{"nats://h/S?start=0", endpoint.From, "offset 0 is below 1", ""},
		{"nats://h/S?start=new&consumer=c", endpoint.From, "start=new is now start=latest", ""},
		{"nats://h/S?start=sealed&consumer=c", endpoint.From, "sealed is not served here", ""},
		{"nats://h/S?until=0&consumer=c", endpoint.From, "offset 0 is below 1", "until= is latest, an offset from 1"},
		{"nats://h/S?until=earliest", endpoint.From, "earliest is not served here", "until= is latest"},
		{"nats://h/S?until=T@5", endpoint.From, `until=: "T" is no stream of the source`, ""},
		{"nats://h/S,T?start=U@5&consumer=c", endpoint.From, `start=: "U" is no stream of the source`, ""},
		{"nats://h/S,T?until=5", endpoint.From, "until= with a sequence is about one stream", "S@SEQUENCE"},
		{"nats://h/S?until=end", endpoint.From, "until=end is now until=latest", ""},
		{"nats://h/S?start=-1&consumr=x", endpoint.From, `"consumr"`, ""},
		{"nats://h/S?start=latest&until=latest", endpoint.From, "start=latest: a run with an end", ""},
		{"nats://h/S?start=latest", endpoint.Look, "start=latest: a run with an end", ""},
		{"nats://h/S,T", endpoint.From, "neither a consumer nor an end", "consumer=NAME"},
		{"nats://h/S?consumer=c", endpoint.Look, "a durable consumer would remember", "leave out consumer="},
		{"nats://h/S?subject=a..b", endpoint.To, "parameter subject", ""},
		{"nats://h/S?subject=a&strip=b", endpoint.To, "parameter subject", ""},
		{"nats://h/S?create=yes", endpoint.To, `unknown value "yes"`, ""},
		{"nats://h/S?publish=all", endpoint.To, `unknown value "all"`, ""},
		{"nats://h/S?sync=never", endpoint.To, `unknown value "never"`, ""},
		{"nats://h/S?stream-subjects=a", endpoint.To, "only for a stream that is created", ""},
		{"nats://h/S?creds=a&nkey=b", endpoint.To, "both creds and nkey", ""},
		{"nats://h/S?cert=a", endpoint.To, "needs both cert and key", ""},
		{"nats://h/S?password-file=a", endpoint.To, "a password without a user", ""},
		{"nats://h/a.b", endpoint.To, "not a stream name", ""},
		{"nats://h/S?consumer=a.b", endpoint.From, "not a consumer name", ""},
		{"nats://h/S?consumer=a&ack-wait=1ms", endpoint.From, "AckWait of 1ms is below", ""},
		{"nats://h", endpoint.From, "no stream", "nats://HOST:PORT/STREAM"},
		{"nats:S", endpoint.From, "no stream", ""},
		{"nats:///S", endpoint.From, "no host", "context=NAME"},
		{"nats://a,,b/S", endpoint.From, "no host", ""},
		{"nats://joe:hunter2@h/S", endpoint.From, "a user before the host", ""},
		{"nats://h/S?password=hunter2", endpoint.From, `unknown parameter "password"`, ""},
		{"nats://h/S?subject=a.>", endpoint.DeadLetters, "no subject of their own", "subject=dead.orders"},
	} {
		_, err := table.Parse(tc.in, tc.as)
		var advised *hint.Error
		switch {
		case err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: got %v, want %q in it", tc.in, err, tc.want)
		case tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)):
			t.Errorf("%s: the hint of %v lacks %q", tc.in, err, tc.hint)
		}
	}
}

// The arrays are vectors of docs/envelope.md, section 3.
func TestStreamIdentity(t *testing.T) {
	const created = 0x18d75b842b4ecd15
	plain, err := identifyStream("", "ORDERS", created, nil, "")
	must(t, err)
	if got, want := hex.EncodeToString(plain), "86646e61747360664f52444552531b18d75b842b4ecd158060"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	filtered, err := identifyStream("hub", "ORDERS", created, []string{"orders.eu.>", "orders.us.*"}, "enc.>")
	must(t, err)
	if plain.String() != "dbb23dcd0e" || filtered.String() != "074e82d086" {
		t.Errorf("sources %s and %s", plain, filtered)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
