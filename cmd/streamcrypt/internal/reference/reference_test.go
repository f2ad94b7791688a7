package reference

import (
	"bytes"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// Every parameter of every kind of URL has its texts.
func TestEveryParameterIsDescribed(t *testing.T) {
	topics, params := NewTopics(all.Table()), 0
	for _, topic := range topics {
		if topic.Name == "" || topic.Text == "" || len(topic.Entries) == 0 {
			t.Errorf("topic %+v is not complete", topic)
		}
		for _, e := range topic.Entries {
			if e.Form == "" || e.Text == "" || strings.HasSuffix(e.Text, ".") || e.Notes != "" && !strings.HasSuffix(e.Notes, ".") {
				t.Errorf("entry %+v is not complete", e)
			}
			for _, s := range e.Sections {
				for _, d := range s.Params {
					params++
					if err := d.Check(); err != nil {
						t.Errorf("%s: %s: %v", e.Form, s.Title, err)
					}
				}
			}
		}
	}
	if params < 40 {
		t.Errorf("%d parameters are described", params)
	}
}

// A parameter stands in one section of its kind, under the roles that have it.
func TestSections(t *testing.T) {
	for _, topic := range NewTopics(all.Table()) {
		for _, e := range topic.Entries {
			seen := map[string]string{}
			for _, s := range e.Sections {
				for _, d := range s.Params {
					key := d.Name + "\x00" + d.Text + "\x00" + d.Form()
					if other, twice := seen[key]; twice {
						t.Errorf("%s: %s stands under %q and %q", e.Form, d.Name, other, s.Title)
					}
					seen[key] = s.Title
				}
			}
		}
	}
	var kafka bytes.Buffer
	if err := NewTopics(all.Table())[1].WriteText(&kafka); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  As a source:\n    group=NAME\n", "  As a destination and for dead letters:\n    create=true|false\n",
		"  As a destination:\n    partition=same|key\n", "  Always:\n    tls=true|false\n",
	} {
		if !strings.Contains(kafka.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &kafka)
		}
	}
	for line := range strings.Lines(kafka.String()) {
		if len(line) > textWidth+1 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}
