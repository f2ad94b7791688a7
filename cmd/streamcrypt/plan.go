package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/findings"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// errNotReady says that a run as planned would not start; the plan has it in
// detail.
var errNotReady = errors.New("the run would not start as things are")

// showPlan prints everything that a run would do, and does nothing of it.
func (p *program) showPlan(c route.Config, asJSON bool) error { return p.showPlanOn(p.out, c, asJSON) }

// showPlanOn does the same on another output.
func (p *program) showPlanOn(out io.Writer, c route.Config, asJSON bool) error {
	preview, err := route.MakePreview(p.ctx, p.command, c, p.newEnv())
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.Join(route.ErrInterrupted, err)
		}
		return &startError{err}
	}
	err = printPlan(out, preview, asJSON)
	if err == nil && !preview.IsUsable() {
		err = &startError{errNotReady}
	}
	return err
}

func printPlan(out io.Writer, preview *route.Preview, asJSON bool) (err error) {
	if asJSON {
		return json.NewEncoder(out).Encode(newPlanObject(preview))
	}
	_, err = io.WriteString(out, writePlan(preview))
	return err
}

// planObject is a plan as --json prints it.
type planObject struct {
	Route      string        `json:"route"`
	Direction  string        `json:"direction"`
	Ready      bool          `json:"ready"`
	Context    string        `json:"context"`
	Profile    string        `json:"profile,omitempty"`
	KeyStore   string        `json:"key_store,omitempty"`
	Delivery   string        `json:"delivery,omitempty"`
	Memory     int64         `json:"memory_bytes"`
	Rate       int64         `json:"rate_bytes_per_second,omitempty"`
	Checkpoint string        `json:"checkpoint,omitempty"`
	State      string        `json:"state,omitempty"`
	Audit      string        `json:"audit,omitempty"`
	Parts      []planPart    `json:"parts"`
	Problems   []planProblem `json:"problems,omitempty"`
}

// planPart is an end or a key.
type planPart struct {
	Role string `json:"role"` // from, to, dead letters, key or old key
	Name string `json:"name"`
	findings.Report
	Problems []planProblem `json:"problems,omitempty"`
}

type planProblem struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func newPlanObject(r *route.Preview) *planObject {
	return &planObject{
		Route: r.Name, Direction: r.Direction, Ready: r.IsUsable(), Context: r.Context, Profile: r.Profile,
		KeyStore: r.KeyStore, Delivery: r.Delivery, Memory: r.Memory, Rate: r.Rate, Checkpoint: r.Checkpoint,
		State: r.State, Audit: r.Audit,
		Parts: listParts(r), Problems: describeProblems(r.Problems),
	}
}

// listParts lists ends and keys.
func listParts(r *route.Preview) []planPart {
	var parts []planPart
	add := func(role, name string, found findings.Report) {
		parts = append(parts, planPart{role, name, found, describeProblems(found.Problems)})
	}
	for _, end := range r.Ends {
		add(end.Role, end.Name, end.Report)
	}
	for _, key := range r.OldKeys {
		add("old key", key.Name, key.Report)
	}
	for _, key := range r.Keys {
		add("key", key.Name, key.Report)
	}
	return parts
}

func describeProblems(problems []error) []planProblem {
	var all []planProblem
	for _, err := range problems {
		all = append(all, planProblem{err.Error(), findHint(err)})
	}
	return all
}

// writePlan writes a plan for people.
func writePlan(r *route.Preview) string {
	var b strings.Builder
	row := func(indent int, name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%*s%-*s%s\n", indent, "", 16-indent, name, text)
		}
	}
	fmt.Fprintf(&b, "%s: %s\n", r.Name, r.Direction)
	for _, part := range listParts(r) {
		row(2, part.Role, part.Name)
		for _, fact := range part.Facts {
			row(4, fact.Name, fact.Value)
		}
		for _, made := range part.Makes {
			row(4, "makes", made)
		}
		for _, warning := range part.Warnings {
			row(4, "warning", warning)
		}
		for _, need := range part.Needs {
			writeNeed(&b, need)
		}
		writeProblems(&b, 4, part.Problems)
	}
	row(2, "context", showContext(r.Context))
	row(2, "profile", r.Profile)
	row(2, "key store", r.KeyStore)
	row(2, "delivery", r.Delivery)
	row(2, "memory", fmt.Sprintf("%d MiB at most", r.Memory>>20))
	if r.Rate > 0 {
		row(2, "rate", fmt.Sprintf("%d bytes of plaintext a second at most", r.Rate))
	}
	row(2, "checkpoint", r.Checkpoint)
	row(2, "state", r.State)
	row(2, "audit log", r.Audit)
	writeProblems(&b, 2, describeProblems(r.Problems))
	b.WriteString("Nothing was made or written, and no position moved.\n")
	return b.String()
}

// showContext shows an empty context as one.
func showContext(context string) string {
	if context == "" {
		return "(empty)"
	}
	return quoteWord(context)
}

// writeNeed writes a right. A right that may be missing is followed by the
// command that gives it.
func writeNeed(b *strings.Builder, need findings.Need) {
	state := string(need.State)
	switch {
	case need.State == findings.Missing && need.Optional:
		state = "missing, not required"
	case need.State == findings.Missing:
		state = "MISSING"
	}
	fmt.Fprintf(b, "    %-12s%s (%s)\n", "right", need.Right, state)
	if need.State != findings.Given && need.Grant != "" {
		fmt.Fprintf(b, "    %-12s%s\n", "", need.Grant)
	}
}

func writeProblems(b *strings.Builder, indent int, problems []planProblem) {
	for _, p := range problems {
		fmt.Fprintf(b, "%*s%-*s%s\n", indent, "", 16-indent, "PROBLEM", p.Error)
		if p.Hint != "" {
			fmt.Fprintf(b, "%*s%s\n", 16, "", "hint: "+p.Hint)
		}
	}
}
