package doctor

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readTable returns the cells of the first table behind a heading of
// docs/operate.md.
func readTable(t *testing.T, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 2 {
			rows = append(rows, cells[1:len(cells)-1])
		}
	}
	if len(rows) < 3 {
		t.Fatalf("no table in section %s", heading)
	}
	return rows[2:]
}

var quoted = regexp.MustCompile("`([a-z-]+)`")

// namesIn returns the names of checks in a cell.
func namesIn(cell string) []string {
	var names []string
	for _, found := range quoted.FindAllStringSubmatch(cell, -1) {
		names = append(names, found[1])
	}
	return names
}

// TestChecksAreDocumented: docs/operate.md and the schema name every check and
// no other.
func TestChecksAreDocumented(t *testing.T) {
	var documented []string
	for _, row := range readTable(t, "The doctor") {
		documented = append(documented, namesIn(row[0])...)
	}
	slices.Sort(documented)
	want := Names()
	slices.Sort(want)
	if !slices.Equal(documented, want) {
		t.Errorf("docs/operate.md has %v, not %v", documented, want)
	}
	text, err := os.ReadFile("../../docs/doctor.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Lines struct {
				Items struct {
					Properties struct{ Check struct{ Enum []string } }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	enum := schema.Properties.Lines.Items.Properties.Check.Enum
	slices.Sort(enum)
	if !slices.Equal(enum, want) {
		t.Errorf("the schema has %v, not %v", enum, want)
	}
}

// TestTroubleshooting: each row of the table has all its cells and names checks
// that there are, every check finds the cause of some row, and the symptoms of
// the field are there.
func TestTroubleshooting(t *testing.T) {
	used, symptoms := map[string]bool{}, ""
	for _, row := range readTable(t, "Troubleshooting") {
		if len(row) != 5 {
			t.Fatalf("%d cells: %v", len(row), row)
		}
		for _, cell := range row {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("an empty cell: %v", row)
			}
		}
		symptoms += row[0] + "\n"
		names := namesIn(row[4])
		if len(names) == 0 {
			t.Errorf("no check finds it: %s", row[0])
		}
		for _, name := range names {
			if !slices.Contains(Names(), name) {
				t.Errorf("%s: no check is called %s", row[0], name)
			}
			used[name] = true
		}
	}
	for _, name := range Names() {
		if !used[name] {
			t.Errorf("no row of the table names %s", name)
		}
	}
	for _, symptom := range []string{
		"padding or key errors", "key not found", "high p99", "truncated payload", "tag mismatch", "throttling",
		"expired requests", "OOM",
	} {
		if !strings.Contains(symptoms, symptom) {
			t.Errorf("no row about %s", symptom)
		}
	}
}
