package outcome

import (
	"encoding/json"
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/proof"
)

// object is an Outcome as --json prints it: docs/result.schema.json.
type object struct {
	Event       string    `json:"event"` // ended: the last line, behind those of progress
	Outcome     Word      `json:"outcome"`
	Complete    bool      `json:"complete"`
	ExitCode    int       `json:"exit_code"`
	NothingToDo bool      `json:"nothing_to_do,omitempty"`
	Route       string    `json:"route,omitempty"`
	Instance    string    `json:"instance,omitempty"`
	Direction   string    `json:"direction,omitempty"`
	From        string    `json:"from,omitempty"`
	To          string    `json:"to,omitempty"`
	DeadLetters string    `json:"dead_letters,omitempty"`
	Started     time.Time `json:"started,omitzero"`
	Seconds     float64   `json:"seconds,omitempty"`
	Counts      *Counts   `json:"counts,omitempty"`
	Reasons     Reasons   `json:"set_aside_by_reason,omitempty"`
	Rewrap      *Rewrap   `json:"rewrap,omitempty"`
	Places      []Place   `json:"places,omitempty"`
	Others      *Counts   `json:"other_places,omitempty"`
	Receipt     string    `json:"receipt,omitempty"`
	Archive     string    `json:"archive,omitempty"`

	Comparison *proof.Report `json:"comparison,omitempty"`

	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// WriteJSON writes the outcome as one line of JSON. route and instance are the
// names that the log has.
func (o *Outcome) WriteJSON(w io.Writer, routeName, instance string) error {
	out := object{
		Event:   "ended",
		Outcome: o.Word, Complete: o.IsComplete(), ExitCode: o.Word.Code(), NothingToDo: o.HadNothingToDo(),
		Route: routeName, Instance: instance, Reason: o.Reason, Hint: o.Hint,
	}
	if o.Err != nil {
		out.Error = o.Err.Error()
	}
	if r := o.Run; r != nil {
		out.Direction, out.From, out.To, out.DeadLetters = r.Direction, r.From, r.To, r.DeadLetters
		out.Started, out.Seconds = r.Started.UTC(), r.Took.Round(time.Millisecond).Seconds()
		out.Counts, out.Reasons, out.Rewrap, out.Places, out.Others = &r.Counts, r.Reasons, r.Rewrap, r.Places, r.Others
		out.Receipt, out.Archive, out.Comparison = r.Receipt, r.Archive, r.Comparison
	}
	return json.NewEncoder(w).Encode(&out)
}
