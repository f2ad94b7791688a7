package settings

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, text, err string }{
		{"yaml", "from: file:a\nkey: [local:a, local:b]\nworkers: 007\nwindow: 15m\noverwrite: yes\ncontext: \"\"\n", ""},
		{"json", "{\"from\": \"file:a\",\n\t\"key\": [\"local:a\", \"local:b\"],\n\t\"workers\":007, \"window\":\"15m\", \"overwrite\":\"yes\", \"context\": \"\"}", ""},
		{"a byte order mark and carriage returns", "\ufefffrom: file:a\r\nkey: [local:a, local:b]\r\nworkers: 007\r\nwindow: 15m\r\noverwrite: yes\r\ncontext: ''\r\n", ""},
		{"an anchor", "from: &a x\nto: *a\n", "f:2: to: neither a plain value nor a list"},
		{"a merge", "a: &a {from: x}\n<<: *a\n", "f:1: a: neither a plain value nor a list"},
		{"a map", "from:\n  to: x\n", "f:2: from: neither a plain value nor a list"},
		{"a list of lists", "key: [[a]]\n", "f:1: key: a list holds plain values only"},
		{"null", "from:\n", "f:1: from: no value"},
		{"null in a list", "key: [a, null]\n", "f:1: key: a list holds plain values only"},
		{"twice", "to: x\nto: y\n", "f:2: to is there twice"},
		{"a list", "- from\n", "f:1: not a list of fields"},
		{"text", "from", "f:1: not a list of fields"},
		{"a name that is no text", "[a]: b\n", "f:1: a field's name is not text"},
		{"two documents", "from: x\n---\nto: y\n", "f: more than one document"},
		{"rubbish behind", "from: x\n---\n{", "f: more than one document"},
		{"broken", "from: {", "f: yaml: "},
		{"large", strings.Repeat("#", maxSize+1), "f: larger than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse("f", []byte(c.text))
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) {
					t.Fatalf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]any{
				"from": "file:a", "key": []any{"local:a", "local:b"}, "workers": "007", "window": "15m", "overwrite": "yes",
				"context": "", "to": nil,
			} {
				if got := f.Value(name); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %#v, want %#v", name, got, want)
				}
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		f, err := Parse("f", []byte(text))
		if err != nil || f.Check(nil) != nil || f.Value("from") != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheck(t *testing.T) {
	f, err := Parse("f", []byte("from: a\nkye: b\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check([]string{"from", "kye"}); err != nil {
		t.Error(err)
	}
	want := `f:2: unknown field "kye", the nearest known one is "key"`
	if err := f.Check([]string{"from", "key"}); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("from: file:a\nkey: [x, y]\n"))
	f.Add([]byte(`{"a": {"b": [null, 1.5, "x"]}}`))
	f.Add([]byte("a: &a [*a]\n? [b]\n: c\n"))
	f.Add([]byte("--- |\n x\n...\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f", data)
		if err != nil {
			return
		}
		for _, field := range file.fields {
			if file.Value(field.name) == nil || field.line < 1 {
				t.Errorf("%q has no value", field.name)
			}
		}
	})
}
