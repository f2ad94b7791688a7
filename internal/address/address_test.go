package address

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in           string
		scheme, path string
		hosts        []string
		params       map[string]string
	}{
		{in: "file:orders.ndjson", scheme: "file", path: "orders.ndjson"},
		{in: "file:-", scheme: "file", path: "-"},
		{in: "file:/abs/x.scx?format=seq", scheme: "file", path: "/abs/x.scx", params: map[string]string{"format": "seq"}},
		{in: "file:///abs/x", scheme: "file", path: "abs/x", hosts: []string{""}},
		{in: "file:a%3Fb%25.scx", scheme: "file", path: "a?b%.scx"},
		{in: "file:a+b#c:d", scheme: "file", path: "a+b#c:d"},
		{in: "nats://h:4222/ORDERS", scheme: "nats", path: "ORDERS", hosts: []string{"h:4222"}},
		{in: "nats://a,b:1/S?x=1&y=a+b%26c", scheme: "nats", path: "S", hosts: []string{"a", "b:1"}, params: map[string]string{"x": "1", "y": "a+b&c"}},
		{in: "nats:///S?context=prod", scheme: "nats", path: "S", hosts: []string{""}, params: map[string]string{"context": "prod"}},
		{in: "x25519:k.pem", scheme: "x25519", path: "k.pem"},
		{in: "nats://h?x=a=b", scheme: "nats", hosts: []string{"h"}, params: map[string]string{"x": "a=b"}},
	}
	for _, tc := range tests {
		a, err := Parse(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if a.Scheme != tc.scheme || a.Path != tc.path || !slices.Equal(a.Hosts, tc.hosts) || len(a.values) != len(tc.params) {
			t.Errorf("%s: got %+v", tc.in, a)
		}
		p := a.Params()
		for name, want := range tc.params {
			if got := p.ReadText(Param{Name: name}); got != want {
				t.Errorf("%s: %s is %q, want %q", tc.in, name, got, want)
			}
		}
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", tc.in, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		in, want string
		is       error
	}{
		{in: "", is: ErrNoScheme},
		{in: "orders.ndjson", is: ErrNoScheme},
		{in: "/tmp/a:b", is: ErrNoScheme},
		{in: "File:x", is: ErrNoScheme},
		{in: "nats://joe:secret@h/S", is: ErrUser},
		{in: "file:100%.txt", is: ErrEscape},
		{in: "file:x?format=%zz", is: ErrEscape},
		{in: "file:x?", want: "without a name"},
		{in: "file:x?format", want: `"format" has no value`},
		{in: "file:x?format=", want: `"format" has no value`},
	}
	for _, tc := range tests {
		_, err := Parse(tc.in)
		switch {
		case err == nil:
			t.Errorf("%q: accepted", tc.in)
		case tc.is != nil && !errors.Is(err, tc.is), !strings.Contains(err.Error(), tc.want):
			t.Errorf("%q: got %v", tc.in, err)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("%q: the error repeats what may be a secret: %v", tc.in, err)
		}
	}
}

func TestParams(t *testing.T) {
	read := func(query string) (d time.Duration, b bool, list []string, err error) {
		a, err := Parse("nats://h/S?" + query)
		if err != nil {
			t.Fatal(err)
		}
		p := a.Params()
		d, b, list = p.ReadDuration(Param{Name: "ack-wait"}), p.ReadBool(Param{Name: "create"}), p.ReadList(Param{Name: "subject"})
		p.ReadWord(Param{Name: "until", Words: []string{"end"}})
		return d, b, list, p.Check()
	}
	d, b, list, err := read("ack-wait=30s&create=true&subject=a.*,b&until=end")
	if err != nil || d != 30*time.Second || !b || !slices.Equal(list, []string{"a.*", "b"}) {
		t.Errorf("got %v, %v, %v, %v", d, b, list, err)
	}
	for query, want := range map[string]string{
		"ack-wait=30":          "not a duration",
		"ack-wait=-1s":         "not a duration",
		"create=yes":           `unknown value "yes", known are false, true`,
		"create=ture":          `the nearest known one is "true"`,
		"until=eend":           `the nearest known one is "end"`,
		"createe=true":         `unknown parameter "createe", the nearest known one is "create"`,
		"zzzzzz=1":             `known are ack-wait, create, subject, until`,
		"create=x&subjet=a":    `unknown parameter "subjet"`,
		"password=hunter2":     "unknown parameter",
		"Until=end&create=nah": "the nearest known one",

		"create=true&create=true": "parameter create: given twice",
		"until=hunter2&until=end": "parameter until: given twice",
	} {
		_, _, _, err := read(query)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", query, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats the value: %v", query, err)
		}
	}
}

// A default is the value that holds, unless it stands in parentheses.
func TestDefaults(t *testing.T) {
	a, err := Parse("x:y?word=b")
	if err != nil {
		t.Fatal(err)
	}
	p := a.Params()
	words := []string{"a", "b"}
	for _, tc := range []struct{ got, want any }{
		{p.ReadWord(Param{Name: "word", Words: words, Default: "a"}), "b"},
		{p.ReadWord(Param{Name: "w1", Words: words, Default: "a"}), "a"},
		{p.ReadWord(Param{Name: "w2", Words: words, Default: "(a where it can be)"}), ""},
		{p.ReadText(Param{Name: "t1", Default: "x"}), "x"},
		{p.ReadText(Param{Name: "t2", Default: "(none)"}), ""},
		{p.ReadBool(Param{Name: "b1"}), false},
		{p.ReadBool(Param{Name: "b2", Default: "true"}), true},
		{p.ReadDuration(Param{Name: "d1", Default: "30s"}), 30 * time.Second},
		{p.ReadDuration(Param{Name: "d2", Default: "(the consumer's)"}), time.Duration(0)},
		{len(p.ReadList(Param{Name: "l1", Default: "(all)"})), 0},
	} {
		if tc.got != tc.want {
			t.Errorf("got %v, want %v", tc.got, tc.want)
		}
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	got := ListParams(func(p *Params) {
		p.ReadBool(Param{Name: "create", Text: "make it"})
		p.ReadDuration(Param{Name: "wait", Text: "wait", Default: "1s"})
		p.ReadWord(Param{Name: "word", Text: "say it", Words: []string{"a", "b"}, Default: "(none)"})
		p.ReadTexts(Param{Name: "pair", Text: "add it", Values: "NAME:VALUE", Default: "(none)"})
		if err := p.Check(); err != nil {
			t.Error(err)
		}
	})
	var lines []string
	for _, d := range got {
		if err := d.Check(); err != nil {
			t.Error(err)
		}
		lines = append(lines, d.Name+"="+d.Form()+" "+d.DefaultText())
	}
	want := []string{"create=true|false false", "wait=DURATION 1s", "word=a|b none", "pair=NAME:VALUE none"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestIncompleteParams(t *testing.T) {
	whole := Param{Name: "n", Text: "t", Values: "V", Default: "(none)"}
	for want, d := range map[string]Param{
		"without a name": {Text: "t", Values: "V", Default: "(none)"},
		"no text":        {Name: "n", Values: "V", Default: "(none)"},
		"full stop":      {Name: "n", Text: "t.", Values: "V", Default: "(none)"},
		"no values":      {Name: "n", Text: "t", Default: "(none)"},
		"no default":     {Name: "n", Text: "t", Values: "V"},
		"is none of a|b": {Name: "n", Text: "t", Words: []string{"a", "b"}, Default: "c"},
	} {
		if err := d.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q in it", d, err, want)
		}
	}
	if err := whole.Check(); err != nil {
		t.Error(err)
	}
}

func TestParamsGivenSeveralTimes(t *testing.T) {
	a, err := Parse("awskms:alias/orders?pair=team:pay&region=r&pair=a:b%26c")
	if err != nil {
		t.Fatal(err)
	}
	p := a.Params()
	all, region, none := p.ReadTexts(Param{Name: "pair"}), p.ReadText(Param{Name: "region"}), p.ReadTexts(Param{Name: "role"})
	if !slices.Equal(all, []string{"team:pay", "a:b&c"}) || region != "r" || none != nil || p.Check() != nil {
		t.Errorf("got %q, %q, %q, %v", all, region, none, p.Check())
	}
}

func TestNearest(t *testing.T) {
	known := []string{"consumer", "create", "creds", "subject", "tls", "ca"}
	for in, want := range map[string]string{
		"consumr": "consumer", "consumer2": "consumer", "cosnumer": "consumer", "cons": "consumer", "CREDS": "creds",
		"cred": "creds", "subejct": "subject", "tsl": "tls", "cb": "ca", "x": "", "bucket": "", "": "",
	} {
		if got := FindNearest(in, known); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if err := NewUnknownError("parameter", "x", nil); !strings.Contains(err.Error(), "there is none here") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"file:a?format=raw", "nats://h,h/S?a=%41&b=c", "x:%", "a://", "file:?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		for _, name := range a.names {
			if len(a.values[name]) == 0 && !strings.Contains(text, "=") {
				t.Errorf("a value out of nothing in %q", text)
			}
		}
		path, hosts := strings.NewReplacer("%", "%25", "?", "%3F").Replace(a.Path), ""
		if a.Hosts != nil {
			hosts = "//" + strings.Join(a.Hosts, ",") + "/"
		} else if strings.HasPrefix(path, "//") {
			return // a path that only an escape could write
		}
		again, err := Parse(a.Scheme + ":" + hosts + path)
		if err != nil || again.Path != a.Path || !slices.Equal(again.Hosts, a.Hosts) {
			t.Errorf("%q: %+v is read back as %+v, %v", text, a, again, err)
		}
	})
}
