// Package settings reads a configuration file: one value or list per flag, by
// the flag's name, in YAML or JSON. A Document has such fields for several
// routes.
//
// It is strict: a line that it does not understand is an error that names the
// line. It must not know any flag, nor the meaning of a value; its caller does.
// Its errors show no values.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/streamcrypt/streamcrypt/internal/address"
)

// maxSize is the size in bytes beyond which a file is not taken for a
// configuration.
const maxSize = 1 << 20

// File is a configuration file. It is not changed after Read.
type File struct {
	name   string
	fields []field
}

type field struct {
	name  string
	line  int
	value any // string or []any of strings, as kong takes them
}

// Read reads the file called name.
func Read(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// Parse reads a file's content. JSON is YAML too.
func Parse(name string, data []byte) (*File, error) {
	f := &File{name: name}
	root, err := parseRoot(name, data)
	if root == nil {
		return f, err
	}
	return f, f.readFields(root)
}

// parseRoot returns the root of a file's only document; nil if it is empty.
func parseRoot(name string, data []byte) (*yaml.Node, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxSize)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil //nolint:nilnil // nothing is there, and nothing is wrong
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one document", name)
	}
	return document.Content[0], nil
}

func (f *File) readFields(root *yaml.Node) error {
	if root.Kind == yaml.ScalarNode && root.Tag == null {
		return nil // a document of nothing but comments
	}
	if root.Kind != yaml.MappingNode {
		return f.locateError(root.Line, errors.New("not a list of fields"))
	}
	for i := 0; i < len(root.Content); i += 2 {
		name, node := root.Content[i], root.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			return f.locateError(name.Line, errors.New("a field's name is not text"))
		}
		value, err := valueOf(node)
		if err != nil {
			return f.locateError(node.Line, fmt.Errorf("%s: %w", name.Value, err))
		}
		if f.findField(name.Value) != nil {
			return f.locateError(name.Line, fmt.Errorf("%s is there twice", name.Value))
		}
		f.fields = append(f.fields, field{name: name.Value, line: name.Line, value: value})
	}
	return nil
}

// null is the tag of a value that is not there.
const null = "!!null"

func valueOf(node *yaml.Node) (any, error) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == null:
		return nil, errors.New("no value")
	case node.Kind == yaml.ScalarNode:
		return node.Value, nil
	case node.Kind == yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == null {
				return nil, errors.New("a list holds plain values only")
			}
			list = append(list, item.Value)
		}
		return list, nil
	}
	return nil, errors.New("neither a plain value nor a list")
}

func (f *File) locateError(line int, err error) error {
	return fmt.Errorf("%s:%d: %w", f.name, line, err)
}

func (f *File) findField(name string) *field {
	for i := range f.fields {
		if f.fields[i].name == name {
			return &f.fields[i]
		}
	}
	return nil
}

// Value returns the value of a field: a string, a []any of strings, or nil if
// the file has no such field.
func (f *File) Value(name string) any {
	if found := f.findField(name); found != nil {
		return found.value
	}
	return nil
}

// Check returns an error for the first field that is not known, with the
// nearest known name.
func (f *File) Check(known []string) error {
	for _, field := range f.fields {
		if !slices.Contains(known, field.name) {
			return f.locateError(field.line, address.NewUnknownError("field", field.name, known))
		}
	}
	return nil
}
