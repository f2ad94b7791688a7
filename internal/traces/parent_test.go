package traces

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	someTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	someSpan  = "00f067aa0ba902b7"
)

// validParent is the grammar of the standard for version 0, and for those that
// come later.
var validParent = regexp.MustCompile(`^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}|(0[1-9a-f]|[1-9a-e][0-9a-f]|f[0-9a-e])-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-(?s:.*))?)$`)

// TestSpanIDsRepeat: producers may count their spans, so that spans of two
// traces have one id.
func TestSpanIDsRepeat(t *testing.T) {
	var msgs []pipeline.Message
	for _, text := range []string{
		someTrace + "-" + someSpan + "-01", strings.Repeat("a", 32) + "-" + someSpan + "-01",
		someTrace + "-" + someSpan + "-00",
	} {
		msgs = append(msgs, pipeline.Message{Headers: []pipeline.Header{{Name: parentHeader, Value: []byte("00-" + text)}}})
	}
	if parents := listParents(msgs); len(parents) != 2 || parents[0].flags != 1 || parents[1].trace[0] != 0xaa {
		t.Errorf("%d parents", len(parents))
	}
}

// FuzzParent compares the reader of a traceparent with the grammar of the
// standard.
func FuzzParent(f *testing.F) {
	for _, seed := range []string{
		"", "00-" + someTrace + "-" + someSpan + "-01", "00-" + someTrace + "-" + someSpan + "-00",
		"00-" + strings.ToUpper(someTrace) + "-" + someSpan + "-01", "00-" + strings.Repeat("0", 32) + "-" + someSpan + "-01",
		"00-" + someTrace + "-" + strings.Repeat("0", 16) + "-01", "ff-" + someTrace + "-" + someSpan + "-01",
		"00-" + someTrace + "-" + someSpan + "-01-more", "01-" + someTrace + "-" + someSpan + "-01-more",
		"01-" + someTrace + "-" + someSpan + "-01.", "00_" + someTrace + "-" + someSpan + "-01",
		"00-" + someTrace + "-" + someSpan + "-0g", "cc-" + someTrace + "-" + someSpan + "-ff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseParent([]byte(text))
		want := validParent.MatchString(text) && text[3:35] != strings.Repeat("0", 32) && text[36:52] != strings.Repeat("0", 16)
		if ok != want {
			t.Fatalf("%q: %t, and the grammar says %t", text, ok, want)
		}
		if ok && hex.EncodeToString(got.trace[:])+hex.EncodeToString(got.span[:])+hex.EncodeToString([]byte{got.flags}) !=
			text[3:35]+text[36:52]+text[53:55] {
			t.Fatalf("%q: %v", text, got)
		}
	})
}
