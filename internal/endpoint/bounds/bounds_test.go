package bounds

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// all serves every form.
var all = Spec{Text: "t", Default: "(none)", Serves: []Form{Earliest, Latest, Sealed, Offset, Places, Time}}

func readURL(t *testing.T, read func(*address.Params, Spec) Bound, query string, s Spec) (Bound, error) {
	t.Helper()
	a, err := address.Parse("x:y?" + query)
	if err != nil {
		t.Fatal(err)
	}
	p := a.Params()
	b := read(p, s)
	return b, p.Check()
}

func TestForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		now := time.Now()
		for in, want := range map[string]Bound{
			"earliest":             {Form: Earliest},
			"latest":               {Form: Latest},
			"sealed":               {Form: Sealed},
			"0":                    {Form: Offset},
			"17":                   {Form: Offset, Offset: 17},
			"9223372036854775807":  {Form: Offset, Offset: 1<<63 - 1},
			"2026-01-02T03:04:05Z": {Form: Time, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			"-36h":                 {Form: Time, Time: now.Add(-36 * time.Hour)},
			"-1m30s":               {Form: Time, Time: now.Add(-90 * time.Second)},
			"orders/0@5":           {Form: Places, Places: []PlaceBound{{"orders/0", 5}}},
			"a/1@7,a/0@0":          {Form: Places, Places: []PlaceBound{{"a/1", 7}, {"a/0", 0}}},
			"a@b@3":                {Form: Places, Places: []PlaceBound{{"a@b", 3}}},
		} {
			for name, read := range map[string]func(*address.Params, Spec) Bound{"start": ReadStart, "until": ReadUntil} {
				got, err := readURL(t, read, name+"="+in, all)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s=%s: got %+v, %v, want %+v", name, in, got, err, want)
				}
			}
		}
	})
}

func TestAbsent(t *testing.T) {
	a, err := address.Parse("x:y")
	if err != nil {
		t.Fatal(err)
	}
	p := a.Params()
	if got := ReadStart(p, all); got.Form != Unset || p.Check() != nil {
		t.Errorf("got %+v, %v", got, p.Check())
	}
}

func TestRefused(t *testing.T) {
	some := Spec{Text: "t", Default: "earliest", Serves: []Form{Earliest, Offset, Time}, Least: 1}
	for _, tc := range []struct {
		query, want, hint string
	}{
		{"start=beginning", "parameter start: start=beginning is now start=earliest", ""},
		{"start=new", "start=new is now start=latest", ""},
		{"until=end", "until=end is now until=latest", ""},
		{"start=end", `"end" is no position`, "start= is earliest, an offset from 1, a time such as"},
		{"until=new", `"new" is no position`, ""},
		{"start=latest", "latest is not served here", "start= is earliest, an offset"},
		{"start=sealed", "sealed is not served here", ""},
		{"start=a/0@1", "an offset for each place is not served here", ""},
		{"start=0", "offset 0 is below 1", "an offset from 1"},
		{"start=yesterday", `"yesterday" is no position`, "or -36h for that long ago"},
		{"start=-1", `"-1" is no position`, ""},
		{"start=--5s", `"--5s" is no position`, ""},
		{"start=-0s", `"-0s" is no position`, ""},
		{"start=36h", `"36h" is no position`, ""},
		{"start=9223372036854775808", "is no position", ""},
		{"start=2026-01-02", "is no position", ""},
		{"start=@1", "is no position", ""},
		{"start=a@1,a@2", "is no position", ""},
		{"start=a@1,", "is no position", ""},
		{"start=a@-1", "is no position", ""},
		{"start=5&start=6", "given twice", ""},
	} {
		read := ReadStart
		if strings.HasPrefix(tc.query, "until") {
			read = ReadUntil
		}
		got, err := readURL(t, read, tc.query, some)
		if err == nil || !strings.Contains(err.Error(), tc.want) || got.Form != Unset {
			t.Errorf("%s: got %+v, %v, want %q in it", tc.query, got, err, tc.want)
		}
		var advised *hint.Error
		if tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)) {
			t.Errorf("%s: the hint of %v lacks %q", tc.query, err, tc.hint)
		}
	}
}

// Help lists the forms that are served.
func TestDeclaration(t *testing.T) {
	for want, s := range map[string]Spec{
		"earliest|latest|sealed|OFFSET|PLACE@OFFSET,...|TIME|-DURATION": all,
		"latest": {Text: "t", Default: "(none)", Serves: []Form{Latest}},
	} {
		declared := address.ListParams(func(p *address.Params) { ReadUntil(p, s) })
		if len(declared) != 1 || declared[0].Name != "until" || declared[0].Form() != want || declared[0].Check() != nil {
			t.Errorf("got %+v, want %s", declared, want)
		}
	}
}

func FuzzBound(f *testing.F) {
	for _, s := range []string{"earliest", "17", "-36h", "a@1,b@2", "2026-01-02T03:04:05Z", "@", "-"} {
		f.Add(s)
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, text string) {
		b, ok := parseBound(text, now)
		switch {
		case !ok:
		case b.Form == Unset, b.Offset < 0, b.Form == Places && len(b.Places) == 0:
			t.Errorf("%q: %+v", text, b)
		case strings.HasPrefix(text, "-") && b.Form == Time && !b.Time.Before(now):
			t.Errorf("%q is not before now: %v", text, b.Time)
		}
	})
}
