package reference

import (
	"fmt"
	"io"
	"strings"
)

// rules are the rules of all URLs.
var rules = []string{
	"Parameters stand behind a question mark, with & between them, so a shell wants the URL in quotes.",
	"A sign that has a meaning of its own, and any other byte, can be written as %XX: & within a value is %26.",
	"Where a flag takes several URLs, commas separate them on the command line and in the environment; " +
		"a comma within such a URL is %2C.",
	"A parameter is given once, unless its text says otherwise; an unknown one is an error.",
	"FILE is the path of a local file.",
	"earliest is the oldest message that is there, and latest is behind the newest one; OFFSET is this offset, " +
		"or the first one after it.",
	"TIME is a time as in RFC 3339, such as 2006-01-02T15:04:05Z; -DURATION is a time that long before now, " +
		"such as -36h.",
	"A DURATION is such as 90s, 15m or 1h30m.",
}

// textWidth is how wide a line of help is, in columns.
const textWidth = 100

// WriteText writes the topic as help shows it.
func (t *Topic) WriteText(w io.Writer) error {
	var b strings.Builder
	for i := range t.Entries {
		if i > 0 {
			b.WriteString("\n")
		}
		t.Entries[i].appendText(&b)
	}
	b.WriteString("\n")
	for _, rule := range rules {
		appendWrapped(&b, rule, "")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Entry) appendText(b *strings.Builder) {
	fmt.Fprintf(b, "%s\n", e.Form)
	appendWrapped(b, sentence(e.Text), "    ")
	appendWrapped(b, e.Notes, "    ")
	for _, s := range e.Sections {
		fmt.Fprintf(b, "\n  %s:\n", s.Title)
		for _, d := range s.Params {
			fmt.Fprintf(b, "    %s=%s\n", d.Name, d.Form())
			appendWrapped(b, sentence(d.Text)+" Default: "+d.DefaultText()+".", "        ")
		}
	}
}

// sentence makes a whole sentence of a text.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// appendWrapped breaks text into lines behind an indent.
func appendWrapped(b *strings.Builder, text, indent string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(indent)+len(line)+1+len(word) > textWidth {
			b.WriteString(indent + line + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		b.WriteString(indent + line + "\n")
	}
}
