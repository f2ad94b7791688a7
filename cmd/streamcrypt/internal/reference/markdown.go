package reference

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes all topics as docs/urls.md has them.
func WriteMarkdown(w io.Writer, topics []Topic) error {
	var b strings.Builder
	b.WriteString("# URLs\n\n")
	b.WriteString("All URLs and their parameters, made from the tables that read them: do not edit, run `go " +
		"generate ./cmd/streamcrypt`.\n")
	b.WriteString("The same is in `streamcrypt help TOPIC`, where a topic is one of the headings below.\n\n")
	for _, rule := range rules {
		fmt.Fprintf(&b, "- %s\n", rule)
	}
	for i := range topics {
		t := &topics[i]
		fmt.Fprintf(&b, "\n## %s\n", t.Name)
		for j := range t.Entries {
			t.Entries[j].appendMarkdown(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Entry) appendMarkdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### `%s`\n\n%s\n", e.Form, sentence(e.Text))
	if e.Notes != "" {
		b.WriteString(strings.ReplaceAll(e.Notes, ". ", ".\n") + "\n")
	}
	for _, s := range e.Sections {
		fmt.Fprintf(b, "\n%s:\n\n| parameter | values | default | |\n|---|---|---|---|\n", s.Title)
		for _, d := range s.Params {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", d.Name, escapeCell("`"+d.Form()+"`"),
				escapeCell(d.DefaultText()), escapeCell(d.Text))
		}
	}
}

// escapeCell writes a text so that it stays in one cell of a table.
func escapeCell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
