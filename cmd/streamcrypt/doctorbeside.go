package main

import (
	"fmt"
	"strings"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/settings"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// readBeside reads the configuration files of other routes. Only their ends,
// keys and names matter.
func (c *doctorCmd) readBeside() ([]route.Neighbour, error) {
	var others []route.Neighbour
	for _, name := range c.Beside {
		file, err := settings.Read(name)
		if err != nil {
			return nil, fmt.Errorf("beside: %w", err)
		}
		n := route.Neighbour{Direction: encryptWord, Config: route.Config{
			Name: readText(file, "name"), From: readText(file, "from"), To: readText(file, "to"),
			Keys: readTexts(file, "key"), Context: readText(file, "context"),
		}}
		if n.Name == "" {
			n.Name = name
		}
		// A file says only with the field as which command it is for.
		if as := readText(file, "as"); as != "" {
			n.Direction = as
		} else if n.To == "" {
			n.Direction = verifyWord
		}
		others = append(others, n)
	}
	return others, nil
}

func readText(file *settings.File, name string) string {
	text, _ := file.Value(name).(string)
	return text
}

// readTexts returns the values of a field that may be several, as a list or
// with commas between them.
func readTexts(file *settings.File, name string) []string {
	switch value := file.Value(name).(type) {
	case string:
		return strings.Split(value, ",")
	case []any:
		var texts []string
		for _, item := range value {
			if text, ok := item.(string); ok {
				texts = append(texts, text)
			}
		}
		return texts
	}
	return nil
}
