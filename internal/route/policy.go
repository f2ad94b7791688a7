package route

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// The actions of --on.
const (
	actDrop   = "drop"
	actPass   = "pass"
	actLetter = "dead-letter"
	actPark   = "park"
)

// actionsOf are the actions that a reason may have, the default first. Of those
// that have dead-letter, a place parks where no dead letters are configured.
var actionsOf = map[pipeline.Reason][]string{
	pipeline.ReasonDuplicate: {actDrop, actPass, actLetter, actPark},
	pipeline.ReasonReordered: {actPass, actLetter, actPark},
	pipeline.ReasonGap:       {actPass, actPark},

	pipeline.ReasonForeignRecord: {actLetter, actPark, actPass},
	pipeline.ReasonUntrusted:     {actLetter, actPark, actPass},
	pipeline.ReasonStale:         {actLetter, actPark, actPass},
	pipeline.ReasonSkewed:        {actLetter, actPark, actPass},
	pipeline.ReasonAlreadySealed: {actLetter, actPark, actPass},
	pipeline.ReasonNotEnvelope:   {actLetter, actPark, actPass},
	pipeline.ReasonBareTombstone: {actLetter, actPark, actPass},

	pipeline.ReasonTampered:          {actLetter, actPark},
	pipeline.ReasonWrongKey:          {actLetter, actPark},
	pipeline.ReasonUnknownKey:        {actLetter, actPark},
	pipeline.ReasonMalformed:         {actLetter, actPark},
	pipeline.ReasonTruncated:         {actLetter, actPark},
	pipeline.ReasonUnsupported:       {actLetter, actPark},
	pipeline.ReasonUnknownDictionary: {actLetter, actPark},
	pipeline.ReasonTooLarge:          {actLetter, actPark},
	pipeline.ReasonHeader:            {actLetter, actPark},
	pipeline.ReasonReservedHeader:    {actLetter, actPark},
	pipeline.ReasonRefused:           {actLetter, actPark},
}

// foundByGates are the reasons that only a Gate has.
var foundByGates = []pipeline.Reason{
	pipeline.ReasonDuplicate, pipeline.ReasonReordered, pipeline.ReasonGap, pipeline.ReasonForeignRecord,
}

// policies are the actions that were configured, by reason.
type policies struct{ actions map[pipeline.Reason]string }

// passes tells whether messages pass that have a reason to be refused.
func (p *policies) passes(reason pipeline.Reason) bool { return p.actions[reason] == actPass }

// parks tells whether messages that are refused for a reason park their place,
// also where there are dead letters.
func (p *policies) parks(reason pipeline.Reason) bool { return p.actions[reason] == actPark }

// readPolicies reads the actions: REASON=ACTION.
func (p *plan) readPolicies() error {
	p.actions = map[pipeline.Reason]string{}
	for _, text := range p.On {
		word, action, ok := strings.Cut(text, "=")
		if !ok {
			return hint.New(fmt.Sprintf("on %q: not of the form REASON=ACTION", text), "write --on duplicate=pass")
		}
		reason := pipeline.Reason(word)
		allowed := actionsOf[reason]
		switch {
		case allowed == nil:
			return hint.PrefixError("on", address.NewUnknownError("reason", word, listReasons()))
		case !slices.Contains(allowed, action):
			return hint.PrefixError("on "+word, address.NewUnknownError("action", action, allowed))
		case p.actions[reason] != "" && p.actions[reason] != action:
			return fmt.Errorf("on %s: both %s and %s", word, p.actions[reason], action)
		}
		if err := p.checkPolicy(reason, action); err != nil {
			return err
		}
		p.actions[reason] = action
	}
	return nil
}

// checkPolicy refuses actions that would never come to pass.
func (p *plan) checkPolicy(reason pipeline.Reason, action string) error {
	if action == actLetter && p.DeadLetter == "" {
		return hint.New(fmt.Sprintf("on %s: no dead letters are configured", reason), "say --dead-letter")
	}
	if p.converts && action == actPass &&
		(reason == pipeline.ReasonAlreadySealed || reason == pipeline.ReasonNotEnvelope) {
		return fmt.Errorf("on %s=%s: a conversion passes on no message that it has not opened", reason, action)
	}
	if p.do == encrypt && (slices.Contains(foundByGates, reason) || action == actPass && !p.mayPass(reason)) {
		return fmt.Errorf("on %s=%s: it is for envelopes that are opened", reason, action)
	}
	if p.do != encrypt && !p.converts && reason == pipeline.ReasonAlreadySealed {
		return fmt.Errorf("on %s: it is for messages that are sealed", reason)
	}
	return nil
}

// mayPass tells whether messages that are sealed may pass although they have a
// reason to be refused.
func (p *plan) mayPass(reason pipeline.Reason) bool {
	switch reason { //nolint:exhaustive // the others are for envelopes that are opened
	case pipeline.ReasonAlreadySealed:
		return true
	case pipeline.ReasonBareTombstone:
		return p.converts || p.seals != nil
	case pipeline.ReasonUntrusted:
		return p.converts
	}
	return false
}

// listReasons returns the reasons that can have an action.
func listReasons() []string {
	var all []string
	for _, reason := range pipeline.Reasons() {
		if actionsOf[reason] != nil {
			all = append(all, string(reason))
		}
	}
	return all
}

// gatePolicy returns what a Gate does about its findings. lastValue says that
// the sink keeps the last value of each key.
func (p *policies) gatePolicy(lastValue bool) transform.Policy {
	policy := transform.Policy{
		Duplicate: gateActions[p.actions[pipeline.ReasonDuplicate]],
		Gap:       gateActions[p.actions[pipeline.ReasonGap]],
		Reordered: gateActions[p.actions[pipeline.ReasonReordered]],
		Foreign:   gateActions[p.actions[pipeline.ReasonForeignRecord]],
	}
	if policy.Reordered == transform.DefaultAction && lastValue {
		policy.Reordered = transform.Refuse
	}
	return policy
}

// gateActions are the actions as a Gate knows them. Whether a message that is
// refused parks its place, pipeline.Options.Parks says.
var gateActions = map[string]transform.Action{
	actDrop: transform.Drop, actPass: transform.Pass, actLetter: transform.Refuse, actPark: transform.Refuse,
}
