package transform

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Action says how a message is treated that a Gate has found something about.
type Action uint8

// The actions. The zero Action stands for the default of a finding.
const (
	DefaultAction Action = iota
	Drop                 // it is left out
	Pass                 // it passes, and is counted
	Refuse               // it is rejected: a dead letter, or its place is parked
)

// Policy has the Action for each finding of a Gate.
type Policy struct {
	Duplicate Action // default: dropped, if its data key is vouched for; else it passes
	Gap       Action // default: passes
	Reordered Action // default: passes
	Foreign   Action // default: refused
}

// fill puts the defaults in.
func (p Policy) fill() Policy {
	for _, to := range []struct {
		action *Action
		normal Action
	}{{&p.Duplicate, Drop}, {&p.Gap, Pass}, {&p.Reordered, Pass}, {&p.Foreign, Refuse}} {
		if *to.action == DefaultAction {
			*to.action = to.normal
		}
	}
	return p
}

// act returns the Gate's answer for a finding.
func (a Action) act(reason pipeline.Reason, text string) error {
	switch a { //nolint:exhaustive // the others pass
	case Drop:
		return pipeline.Skip
	case Refuse:
		return &pipeline.Reject{Reason: reason, Err: errors.New(string(reason) + ": " + text)}
	}
	return nil
}
