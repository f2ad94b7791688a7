package format

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// marshalString returns how encoding/json writes a string, with its other
// choices of escapes undone.
func marshalString(t *testing.T, s string) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.TrimSuffix(out.String(), "\n"))
	var undone []byte
	for len(text) > 0 {
		n := 1
		if text[0] == '\\' {
			n = 2
		}
		switch part := string(text[:n]); {
		case part == `\b`:
			undone = append(undone, `\u0008`...)
		case part == `\f`:
			undone = append(undone, `\u000c`...)
		case part == `\u` && (bytes.HasPrefix(text, []byte(`\u2028`)) || bytes.HasPrefix(text, []byte(`\u2029`))):
			undone = append(undone, 0xe2, 0x80, 0xa8+text[5]-'8') // in UTF-8
			n = 6
		default:
			undone = append(undone, part...)
		}
		text = text[n:]
	}
	return string(undone)
}

// requireString compares a written string with that of encoding/json, and reads
// it.
func requireString(t *testing.T, s string) {
	t.Helper()
	got := appendString([]byte("before"), []byte(s))
	want := marshalString(t, s)
	if string(got) != "before"+want {
		t.Fatalf("%q is written %s, want %s", s, got, want)
	}
	if size := stringSize(s); size != len(want) {
		t.Fatalf("%q has the size %d, want %d", s, size, len(want))
	}
	p := lineParser{b: []byte(want + "rest")}
	read, err := p.parseText()
	if err != nil || string(read) != s || p.i != len(want) {
		t.Fatalf("%s is read as %q, %v, to column %d", want, read, err, p.i)
	}
}

// Each byte is found at each place of eight.
func TestStrings(t *testing.T) {
	for c := range 0x80 {
		for n := range 20 {
			for _, rest := range []string{"", "x", `"`, "\x01", strings.Repeat("y", 17)} {
				requireString(t, strings.Repeat("a", n)+string(rune(c))+rest)
			}
		}
	}
	requireString(t, "\u2028\u2029\u00e4\u0080\U0001f600")
}

// The first special byte is found, whichever bytes stand around it.
func TestFindSpecial(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			for at := range 7 {
				s := bytes.Repeat([]byte{'z'}, 9)
				s[at], s[at+1] = byte(a), byte(b)
				want := bytes.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
				if want < 0 {
					want = len(s)
				}
				if got := findSpecial(s); got != want {
					t.Fatalf("%q: %d, want %d", s, got, want)
				}
			}
		}
	}
}

func FuzzStrings(f *testing.F) {
	for _, s := range []string{"", "plain text", "\"\\\b\f\n\r\t\x00\x7f", "eight by\"", "\u2028<&>\U0001f600"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) {
			requireString(t, s)
		}
	})
}

func BenchmarkStrings(b *testing.B) {
	for name, s := range map[string][]byte{
		"text": bytes.Repeat([]byte("0123456789abcdef"), 64),
		"JSON": bytes.Repeat([]byte(`"name":"Anna",`), 73),
	} {
		b.Run("write "+name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			dst := make([]byte, 0, 8<<10)
			for b.Loop() {
				dst = appendString(dst[:0], s)
			}
		})
		b.Run("read "+name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			text := appendString(nil, s)
			line := make([]byte, len(text))
			for b.Loop() {
				copy(line, text)
				p := lineParser{b: line}
				if _, err := p.parseText(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
