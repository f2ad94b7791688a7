package textfile

import (
	"errors"
	"testing"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"a":                        "a",
		"{\"a\":1}\r\n":            "{\"a\":1}\r\n",
		"\xef\xbb\xbf{}":           "{}",
		"\xef\xbb\xbf":             "",
		"\xef\xbb":                 "\xef\xbb",
		"\x00\x00":                 "\x00\x00",
		"\xff\xff":                 "\xff\xff",
		"a\xef\xbb\xbf":            "a\xef\xbb\xbf",
		"\xff\xfe{\x00}\x00":       "UTF-16",
		"\xfe\xff\x00{\x00}":       "UTF-16",
		"{\x00\"\x00":              "UTF-16",
		"\x00-\x00-\x00-":          "UTF-16",
		"\xef\xbb\xbf\xef\xbb\xbf": "\xef\xbb\xbf",
	} {
		got, err := Clean([]byte(text))
		if want == "UTF-16" {
			if !errors.Is(err, ErrUTF16) {
				t.Errorf("%q: %q, %v", text, got, err)
			}
			continue
		}
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestMayGrowMark(t *testing.T) {
	for text, want := range map[string]bool{"": true, "\xef": true, "\xef\xbb": true, "\xef\xbb\xbf": false, "a": false, "\xef\xbc": false} {
		if MayGrowMark([]byte(text)) != want {
			t.Errorf("%q: not %v", text, want)
		}
	}
}
