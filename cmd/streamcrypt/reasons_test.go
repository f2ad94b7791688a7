package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestReasonsHaveAdvice: each reason that something gives has advice, and those
// that docs/errors.md calls planned have none yet. Package pipeline holds its
// list of reasons and that table together.
func TestReasonsHaveAdvice(t *testing.T) {
	text, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	planned := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|[^|]*\\| *([a-z]*)").FindAllStringSubmatch(string(text), -1) {
		planned[row[1]] = strings.HasPrefix(row[2], "planned")
	}
	known := map[string]bool{}
	for _, reason := range pipeline.Reasons() {
		known[string(reason)] = true
		if (reasonHints[string(reason)] == "") != planned[string(reason)] {
			t.Errorf("advice about %q, which is planned: %v: %q", reason, planned[string(reason)], reasonHints[string(reason)])
		}
	}
	for reason := range reasonHints {
		if !known[reason] {
			t.Errorf("advice about %q, which is no reason", reason)
		}
	}
}
