package file

import (
	"errors"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

var table = endpoint.Table{Scheme()}

func TestSources(t *testing.T) {
	for in, want := range map[string]struct {
		path   string
		format format.Format
	}{
		"file:orders.ndjson":               {"orders.ndjson", format.NDJSON},
		"file:a/b.jsonl":                   {"a/b.jsonl", format.NDJSON},
		"file:../a.scx":                    {"../a.scx", format.Seq},
		"file:/abs/report.pdf":             {"/abs/report.pdf", format.Raw},
		"file:///abs/report.pdf":           {"/abs/report.pdf", format.Raw},
		"file:-":                           {"-", format.Raw},
		"file:-?format=ndjson":             {"-", format.NDJSON},
		"file:x.ndjson?format=raw":         {"x.ndjson", format.Raw},
		"file:x?format=seq&until=latest":   {"x", format.Seq},
		"file:x?format=seq&start=earliest": {"x", format.Seq},
		"file:a%20b%3F.scx":                {"a b?.scx", format.Seq},
	} {
		for _, as := range []endpoint.Role{endpoint.From, endpoint.Look} {
			e, err := table.Parse(in, as)
			if err != nil {
				t.Errorf("%s: %v", in, err)
				continue
			}
			traits := e.Traits()
			path, found := "", format.Raw
			switch f := e.(type) {
			case *recordFile:
				path, found = f.path, f.format
			case *rawFile:
				path = f.path
			}
			if path != want.path || found != want.format || endpoint.IsRaw(e) != (want.format == format.Raw) ||
				traits.Archive != (want.format == format.Seq) || traits.Pipe != (want.path == "-") || traits.Append ||
				traits.Context != "" || !traits.OneLane || !traits.Checkpoint || traits.Log || traits.TextHeaders {
				t.Errorf("%s: got %+v with %+v", in, e, traits)
			}
		}
	}
}

func TestSinks(t *testing.T) {
	for _, tc := range []struct {
		in     string
		as     endpoint.Role
		want   format.Format
		append bool
	}{
		{"file:a.scx", endpoint.To, format.Seq, false},
		{"file:a.scx?append=true", endpoint.To, format.Seq, true},
		{"file:a?append=true&format=ndjson", endpoint.To, format.NDJSON, true},
		{"file:a.ndjson?append=false", endpoint.To, format.NDJSON, false},
		{"file:-?append=false&format=ndjson", endpoint.To, format.NDJSON, false},
		{"file:dead.ndjson", endpoint.DeadLetters, format.NDJSON, true},
		{"file:-?format=ndjson", endpoint.DeadLetters, format.NDJSON, false},
	} {
		e, err := table.Parse(tc.in, tc.as)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if f, ok := e.(*recordFile); !ok || f.format != tc.want || f.append != tc.append || f.Traits().Append != tc.append {
			t.Errorf("%s: got %+v", tc.in, e)
		}
	}
}

func TestURLsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		in         string
		as         endpoint.Role
		want, hint string
	}{
		{"file:", endpoint.From, "no path", ""},
		{"file://host/x", endpoint.From, "no host", "file:///PATH"},
		{"file:x?fromat=raw", endpoint.From, `unknown parameter "fromat", the nearest known one is "format"`, ""},
		{"file:x?format=ndjsn", endpoint.To, `the nearest known one is "ndjson"`, ""},
		{"file:x?until=never", endpoint.From, `parameter until: "never" is no position`, "until= is latest"},
		{"file:x?until=end", endpoint.From, "until=end is now until=latest", ""},
		{"file:x.scx?start=beginning", endpoint.From, "start=beginning is now start=earliest", ""},
		{"file:x.scx?start=sealed", endpoint.From, "sealed is not served here", "start= is earliest"},
		{"file:x.scx?until=x/0@5", endpoint.From, "an offset for each place is not served here", "until= is latest"},
		{"file:x?format=lines&until=-5h", endpoint.From, "lines have no times", ""},
		{"file:x?start=5", endpoint.From, "a raw file is one payload", ""},
		{"file:x?compression=gzip", endpoint.From, "a raw file is carried as it is", ""},
		{"file:x?format=kcat", endpoint.To, "kcat", ""},
		{"file:x/*", endpoint.From, "several files are records of one format", ""},
		{"file:x/", endpoint.To, "a folder takes records of one format", ""},
		{"file:x?start=earliest", endpoint.To, `unknown parameter "start"`, ""},
		{"file:x.ndjson?append=true", endpoint.From, `unknown parameter "append"`, ""},
		{"file:x.ndjson?append=true", endpoint.DeadLetters, `unknown parameter "append"`, ""}, // they always are
		{"file:x?append=true", endpoint.To, "a raw file is one payload", "format=ndjson"},
		{"file:dead", endpoint.DeadLetters, "raw cannot hold dead letters", "ndjson"},
		{"file:dead.scx", endpoint.DeadLetters, "seq cannot hold dead letters", "ndjson"},
	} {
		_, err := table.Parse(tc.in, tc.as)
		var advised *hint.Error
		switch {
		case err == nil || !strings.Contains(err.Error(), tc.want):
			t.Errorf("%s: got %v, want %q in it", tc.in, err, tc.want)
		case tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)):
			t.Errorf("%s: the hint of %v lacks %q", tc.in, err, tc.hint)
		}
	}
}

// Two ways to name a file are one file; standard input is not standard output.
func TestIdentities(t *testing.T) {
	t.Chdir(t.TempDir())
	identity := func(in string, as endpoint.Role) string {
		t.Helper()
		e, err := table.Parse(in, as)
		if err != nil {
			t.Fatal(err)
		}
		return e.Traits().Identity
	}
	if a, b := identity("file:a.scx", endpoint.From), identity("file:./x/../a.scx", endpoint.To); a != b {
		t.Errorf("%q is not %q", a, b)
	}
	if a, b := identity("file:-", endpoint.From), identity("file:-", endpoint.To); a == b {
		t.Errorf("%q is %q", a, b)
	}
}
