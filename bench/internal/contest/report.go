package contest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// ReadReport reads a report of WriteReport from a file.
func ReadReport[R any](name string) (*R, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(R)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// WriteReport writes a report as JSON.
func WriteReport(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
