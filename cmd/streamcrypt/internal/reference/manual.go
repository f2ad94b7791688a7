package reference

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// WriteManual writes a page for man(1), section 1, of the whole program: its
// commands and flags as kong has them, and the topics as text.
func WriteManual(w io.Writer, root *kong.Node, topics []Topic) error {
	m := &manual{}
	m.writeLine(".TH %s 1", strings.ToUpper(root.Name))
	m.beginSection("NAME")
	m.writeText(root.Name + " - encrypts message streams and files into COSE envelopes, and back")
	m.beginSection("SYNOPSIS")
	m.writeLine(".B %s", root.Name)
	m.writeText("COMMAND [FLAGS]")
	m.beginSection("DESCRIPTION")
	for paragraph := range strings.SplitSeq(root.Help, "\n\n") {
		m.writeLine(".PP")
		m.writeText(paragraph)
	}
	m.beginSection("FLAGS OF ALL COMMANDS")
	m.writeFlags(root.Flags)
	m.beginSection("COMMANDS")
	m.writeCommands(root)
	for i := range topics {
		m.beginSection("URLS: " + strings.ToUpper(topics[i].Name))
		if err := m.writeTopic(&topics[i]); err != nil {
			return err
		}
	}
	_, err := w.Write(m.page.Bytes())
	return err
}

// manual is a page as it grows.
type manual struct{ page bytes.Buffer }

func (m *manual) writeLine(format string, args ...any) { fmt.Fprintf(&m.page, format+"\n", args...) }

func (m *manual) beginSection(title string) { m.writeLine(".SH %s", quoteMacro(escapeRoff(title))) }

// writeText writes words that a formatter breaks into lines.
func (m *manual) writeText(text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		m.writeLine("%s", escapeRoff(line))
	}
}

// writeCommands writes all commands below a node.
func (m *manual) writeCommands(node *kong.Node) {
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		if len(child.Children) > 0 {
			m.writeCommands(child)
			continue
		}
		m.writeLine(".SS %s", quoteMacro(escapeRoff(child.Summary())))
		m.writeText(child.Help)
		if child.Detail != "" {
			m.writeLine(".PP")
			m.writeText(child.Detail)
		}
		for _, argument := range child.Positional {
			m.writeItem(argument.Summary(), argument.Help)
		}
		m.writeFlags(child.Flags)
	}
}

func (m *manual) writeFlags(flags []*kong.Flag) {
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		name := "--" + flag.Name
		if flag.Short != 0 {
			name = "-" + string(flag.Short) + ", " + name
		}
		if !flag.IsBool() {
			name += "=" + flag.FormatPlaceHolder()
		}
		m.writeItem(name, flag.Help)
	}
}

// writeItem writes a term and, indented, its meaning.
func (m *manual) writeItem(term, meaning string) {
	m.writeLine(".TP\n.B %s", quoteMacro(escapeRoff(term)))
	m.writeText(meaning)
}

// writeTopic writes a topic with the lines that help shows.
func (m *manual) writeTopic(t *Topic) error {
	var text bytes.Buffer
	if err := t.WriteText(&text); err != nil {
		return err
	}
	m.writeLine(".nf")
	for line := range strings.SplitSeq(strings.TrimRight(text.String(), "\n"), "\n") {
		m.writeLine("%s", escapeRoff(line))
	}
	m.writeLine(".fi")
	return nil
}

// escapeRoff keeps roff from taking a sign of the text for one of its own: a
// backslash, a hyphen that must stay one, and a control sign at the beginning.
func escapeRoff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

// quoteMacro makes one argument of a macro.
func quoteMacro(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
