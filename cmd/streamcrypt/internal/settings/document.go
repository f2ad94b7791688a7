package settings

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Document is a configuration of several routes: fields of the process, fields
// that routes have unless they say otherwise, and the routes by name.
//
//	workers: 2
//	defaults: {key: ...}
//	routes:
//	  orders: {do: encrypt, ...}
type Document struct {
	Process, Defaults *File
	Routes            []Section
}

// Section holds the fields of one route.
type Section struct {
	Name string
	Line int
	*File
}

// ParseDocument reads the content of a file.
func ParseDocument(name string, data []byte) (*Document, error) {
	root, err := parseRoot(name, data)
	if err != nil {
		return nil, err
	}
	d := &Document{Process: &File{name: name}, Defaults: &File{name: name}}
	if root == nil {
		return d, nil
	}
	nested := map[string]func(*yaml.Node) error{"defaults": d.Defaults.readFields, "routes": d.readRoutes}
	plain := &yaml.Node{Kind: root.Kind, Line: root.Line, Tag: root.Tag}
	seen := map[string]bool{}
	for i := 0; root.Kind == yaml.MappingNode && i < len(root.Content); i += 2 {
		field, value := root.Content[i], root.Content[i+1]
		read := nested[field.Value]
		if read == nil {
			plain.Content = append(plain.Content, field, value)
			continue
		}
		if seen[field.Value] {
			return nil, d.Process.locateError(field.Line, fmt.Errorf("%s is there twice", field.Value))
		}
		seen[field.Value] = true
		if err := read(value); err != nil {
			return nil, err
		}
	}
	return d, d.Process.readFields(plain)
}

var errNoRoutes = errors.New("routes: not a list of routes by name")

func (d *Document) readRoutes(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return d.Process.locateError(node.Line, errNoRoutes)
	}
	for i := 0; i < len(node.Content); i += 2 {
		name, fields := node.Content[i], node.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || name.Value == "":
			return d.Process.locateError(name.Line, errors.New("routes: a route's name is not text"))
		case slices.ContainsFunc(d.Routes, func(s Section) bool { return s.Name == name.Value }):
			return d.Process.locateError(name.Line, fmt.Errorf("routes: %s is there twice", name.Value))
		}
		section := Section{Name: name.Value, Line: name.Line, File: &File{name: d.Process.name}}
		if err := section.readFields(fields); err != nil {
			return err
		}
		d.Routes = append(d.Routes, section)
	}
	return nil
}

// Names returns the names of all fields, in the order of the file.
func (f *File) Names() []string {
	names := make([]string, 0, len(f.fields))
	for i := range f.fields {
		names = append(names, f.fields[i].name)
	}
	return names
}

// FindLine returns the line of a field, or 0 if the file has no such field.
func (f *File) FindLine(name string) int {
	if found := f.findField(name); found != nil {
		return found.line
	}
	return 0
}
