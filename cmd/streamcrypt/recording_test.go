package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	recording        = "../../docs/demo.svg"
	recordingWidth   = 122     // columns; deploy/recording/record.sh says the same
	largestRecording = 200_000 // bytes
)

// readRecording returns the lines that a recording shows at one time or
// another. Each is the text of one row: a symbol, or the texts of one height.
func readRecording(t *testing.T, svg []byte) []string {
	t.Helper()
	var lines, words []string
	height, inText := "", false
	endRow := func() {
		if len(words) > 0 {
			lines, words = append(lines, strings.Join(words, " ")), nil
		}
	}
	for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			endRow()
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
			for _, a := range token.Attr {
				if inText && a.Name.Local == "y" && a.Value != height {
					endRow()
					height = a.Value
				}
			}
			if !inText {
				endRow()
				height = ""
			}
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				words = append(words, string(token))
			}
		}
	}
}

// changing matches the parts of the demo's output that are others in each run.
var changing = regexp.MustCompile(`[0-9.]+(ms|s)\b|\b[0-9a-f]{10,}\b|[0-9]+`)

// sortLines returns lines without the parts that change, each once. Lines of
// progress are left out.
func sortLines(lines []string) []string {
	var sorted []string
	for _, line := range lines {
		line = strings.Join(strings.Fields(changing.ReplaceAllString(line, "*")), " ")
		if line != "" && !strings.Contains(line, "% |") {
			sorted = append(sorted, line)
		}
	}
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// TestRecording: the recording in README shows every line that the demo writes
// today, and no other.
func TestRecording(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT CHECKED with -short: the recording. The run without it looks at that")
	}
	svg, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	if len(svg) > largestRecording {
		t.Errorf("the recording has %d bytes", len(svg))
	}
	if readme, err := os.ReadFile("../../README.md"); err != nil || !strings.Contains(string(readme), "](docs/demo.svg)") {
		t.Errorf("README.md does not show it: %v", err)
	}
	code, stdout, stderr := runArgs(t.Context(), "demo")
	if code != exitOK {
		t.Fatal(stderr)
	}
	said := []string{"$ streamcrypt demo"}
	for line := range strings.Lines(stdout) {
		for line = strings.TrimSuffix(line, "\n"); len(line) > recordingWidth; line = line[recordingWidth:] {
			said = append(said, line[:recordingWidth]) // as a terminal breaks it
		}
		said = append(said, line)
	}
	want, got := sortLines(said), sortLines(readRecording(t, svg))
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the recording lacks the line %q", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("the recording shows %q, and the demo does not", line)
		}
	}
	if t.Failed() {
		t.Log("make recording makes it anew")
	}
}
