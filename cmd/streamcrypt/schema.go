package main

import (
	"reflect"
	"slices"
	"time"

	"github.com/alecthomas/kong"
)

// schema is a JSON Schema, as far as fields need it.
type schema map[string]any

// newSchema returns the schema of a file of several routes. It is made of the
// same flags as the help and the reading of the file.
func (g *grammar) newSchema() schema {
	process := describeFields(g.listProcessFields())
	var kinds []schema
	defaults := schema{}
	for _, command := range g.listDirections() {
		fields := describeFields(g.listRouteFields(command))
		for name, field := range fields {
			defaults[name] = field
		}
		fields[fieldDo] = schema{"const": command, "description": g.findCommand(command).Help}
		kinds = append(kinds, schema{
			"type": "object", "title": command, "properties": fields, "required": []string{fieldDo},
			"additionalProperties": false,
		})
	}
	process["defaults"] = schema{
		"type": "object", "properties": defaults, "additionalProperties": false,
		"description": "Fields that every route has which knows them, unless it says otherwise.",
	}
	process["routes"] = schema{
		"type": "object", "minProperties": 1, "propertyNames": schema{"pattern": routeName.String()},
		"additionalProperties": schema{"oneOf": kinds},
		"description":          "The routes by name, which logs, metrics and audit lines have.",
	}
	return schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Configuration of streamcrypt run", "type": "object",
		"properties": process, "required": []string{"routes"}, "additionalProperties": false,
	}
}

func describeFields(flags []*kong.Flag) schema {
	fields := schema{}
	for _, f := range flags {
		fields[f.Name] = describeField(f)
	}
	return fields
}

// describeField describes the values of a field.
func describeField(f *kong.Flag) schema {
	s := schema{"description": f.Help}
	kind := f.Target.Type()
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	number := schema{"type": "integer", "minimum": 0}
	switch {
	case f.Enum != "":
		s["enum"] = slices.Clone(f.EnumSlice())
	case kind == reflect.TypeFor[size]():
		s["anyOf"] = []schema{number, {"type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB|TiB)?$"}}
	case kind == reflect.TypeFor[time.Duration]():
		s["type"], s["pattern"] = "string", "^([0-9.]+(ns|us|µs|ms|s|m|h))+$"
	case f.IsSlice():
		one := schema{"type": "string", "minLength": 1}
		s["anyOf"] = []schema{one, {"type": "array", "items": one}}
	case f.IsBool():
		s["type"] = "boolean"
	case kind.Kind() == reflect.Int, kind.Kind() == reflect.Uint64:
		s["type"], s["minimum"] = "integer", 0
	default:
		s["type"] = "string"
	}
	return s
}
