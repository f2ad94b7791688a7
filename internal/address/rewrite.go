package address

import (
	"fmt"
	"slices"
	"strings"
)

// Rewrite writes the address with another path and without some of its
// parameters. Parse reads the text back.
func (a *Address) Rewrite(path string, without ...string) string {
	text := a.Scheme + ":"
	if a.Hosts != nil {
		text += "//" + strings.Join(a.Hosts, ",") + "/"
	}
	text += escapeText(path, "/,")
	separator := "?"
	for _, name := range a.names {
		if slices.Contains(without, name) {
			continue
		}
		for _, value := range a.values[name] {
			text += separator + escapeText(name, "") + "=" + escapeText(value, "/,:@")
			separator = "&"
		}
	}
	return text
}

// escapeText writes each byte as %XX that is neither a letter, a digit, one of
// -._~ nor among others.
func escapeText(text, others string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		isWord := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if isWord || strings.IndexByte("-._~"+others, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
