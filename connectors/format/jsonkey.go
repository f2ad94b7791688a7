package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parseKeyPath reads the name of a field in JSON: ".id", or ".customer.id" in
// an object inside the object.
func parseKeyPath(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(text, ".")
	path := strings.Split(rest, ".")
	for _, name := range path {
		ok = ok && name != ""
	}
	if !ok {
		return nil, fmt.Errorf("key %q is not of the form .FIELD or .FIELD.FIELD", text)
	}
	return path, nil
}

var errNoJSON = errors.New("not JSON, so it has no key")

// findKey returns the record key in a line of JSON: the text of a string, or
// the digits of a number as they stand. It does not change the line.
func findKey(line []byte, path []string) ([]byte, error) {
	if !json.Valid(line) {
		return nil, errNoJSON
	}
	field := line
	for i, name := range path {
		var err error
		if field, err = findField(field, name); err != nil {
			return nil, fmt.Errorf("field %q %w", "."+strings.Join(path[:i+1], "."), err)
		}
	}
	switch c := field[0]; {
	case c == '"':
		return decodeString(field), nil
	case c == '-' || c >= '0' && c <= '9':
		return field, nil
	}
	return nil, fmt.Errorf("field %q is no string and no number", "."+strings.Join(path, "."))
}

// findField returns the value of a field, as it stands in an object. b is valid
// JSON.
func findField(b []byte, name string) (value []byte, err error) {
	b = trimSpace(b)
	if b[0] != '{' {
		return nil, errors.New("is not there: no object around it")
	}
	for b = trimSpace(b[1:]); b[0] != '}'; {
		end := skipString(b)
		is := isName(b[:end], name)
		b = trimSpace(trimSpace(b[end:])[1:]) // the colon
		end = skipValue(b)
		if is && value != nil {
			return nil, errors.New("comes twice")
		}
		if is {
			value = b[:end:end]
		}
		if b = trimSpace(b[end:]); b[0] == ',' {
			b = trimSpace(b[1:])
		}
	}
	if value == nil {
		return nil, errors.New("is missing")
	}
	return value, nil
}

func isName(text []byte, name string) bool {
	if bytes.IndexByte(text, '\\') >= 0 {
		return string(decodeString(text)) == name
	}
	return string(text[1:len(text)-1]) == name
}

// decodeString returns the text of a JSON string. Without escapes it is a part
// of the string.
func decodeString(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1 : len(text)-1]
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		return nil // it is valid: its line was checked
	}
	return []byte(s)
}

func trimSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// skipString returns the length of the JSON string at the beginning of b.
func skipString(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// skipValue returns the length of the JSON value at the beginning of b.
func skipValue(b []byte) int {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i += skipString(b[i:])
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i // behind a number or a word
			}
			depth--
			i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			i++
			continue
		default: // of a number or a word, or a colon
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return len(b)
}
