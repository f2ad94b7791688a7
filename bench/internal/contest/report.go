package contest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// ReadReport reads a file of WriteReport into an empty report.
func ReadReport(name string, report any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, report); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// WriteReport writes a report as JSON.
func WriteReport(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
