package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/reference"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// newTexts returns the parts of help texts that other packages own: ${ends} in
// a text stands for all kinds of end, and so on.
func newTexts(ends endpoint.Table) map[string]string {
	end, key := ends[0], keyring.Kinds()[0] // there is one of each, or there is no program
	return map[string]string{
		"ends":     ends.DescribeForms(),
		"keys":     keyring.DescribeForms(),
		"store":    keyring.StoreForm,
		"topics":   listTopics(ends),
		"formats":  strings.Join(route.FormatNames(), ","),
		"accepted": strings.Join(route.AcceptedNames(), ", "),
		"kinds":    strings.Join(listGenerated(), ", "),
		"sizes":    strings.Join(listSizes(), "; "),

		"budget":     writeSize(pipeline.DefaultBudget),
		"read_ahead": writeSize(pipeline.DefaultReadAhead),
		"grace":      pipeline.DefaultGrace.String(),
		"chunk_size": writeSize(envelope.DefaultChunkSize),

		// For examples:
		"plain":    end.Plain,
		"sealed":   end.Sealed,
		"copy":     end.Copy,
		"sampled":  findSampled(ends),
		"key":      key.Scheme + ":key",
		"old_key":  key.Scheme + ":old",
		"key_kind": key.Scheme,
	}
}

// findSampled returns an example of a URL in which single messages can be
// looked at.
func findSampled(ends endpoint.Table) string {
	for i := range ends {
		e, err := ends.Parse(ends[i].Sealed, endpoint.Look)
		if _, samples := e.(endpoint.Sampler); err == nil && samples {
			return ends[i].Sealed
		}
	}
	return ends[0].Sealed
}

// listTopics lists the topics of help.
func listTopics(ends endpoint.Table) string {
	var names []string
	for _, t := range reference.NewTopics(ends) {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// listSizes lists the sizes of keys that keygen makes.
func listSizes() []string {
	var sizes []string
	for _, k := range keyring.Kinds() {
		if k.Sizes != "" {
			sizes = append(sizes, k.Scheme+" "+k.Sizes)
		}
	}
	return sizes
}

// expandDetails fills texts into the long help of all commands.
func expandDetails(node *kong.Node, texts map[string]string) error {
	node.Detail = os.Expand(node.Detail, func(name string) string { return texts[name] })
	for _, child := range node.Children {
		if err := expandDetails(child, texts); err != nil {
			return err
		}
	}
	return nil
}

// writeSize writes a number of bytes as the flags take it.
func writeSize(bytes int64) string {
	for _, unit := range units {
		if n := bytes / unit.bytes; unit.bytes > 1 && bytes%unit.bytes == 0 && n < 1024 {
			return strconv.FormatInt(n, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}
