package pipelinetest

import (
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// arrival says how messages may have arrived.
type arrival struct {
	carries Carries
	repeats bool // some may have arrived more than once
	ordered bool // of each place those that were put first arrive first
	offsets bool // origins are those of the source, and grow within each place
}

// compareAll checks that got holds all of want, and nothing else.
func (a arrival) compareAll(want, got []pipeline.Message) error {
	byIndex := make(map[int]*pipeline.Message, len(want))
	for i := range want {
		byIndex[Index(&want[i])] = &want[i]
	}
	seen := make(map[int]bool, len(want))
	last := make(map[string]*pipeline.Message)
	for i := range got {
		m := &got[i]
		n := Index(m)
		w := byIndex[n]
		switch {
		case w == nil:
			return fmt.Errorf("message at %d was never put (number %d, value %s)", i, n, showBytes(m.Value))
		case seen[n] && a.repeats:
			continue // order is that of first appearance
		case seen[n]:
			return fmt.Errorf("message %d arrived twice", n)
		}
		seen[n] = true
		if d := Diff(a.carries, w, m); d != "" {
			return fmt.Errorf("message %d: %s", n, d)
		}
		if err := a.checkOrder(last[m.Origin.Place], m); err != nil {
			return err
		}
		last[m.Origin.Place] = m
	}
	if len(seen) < len(want) {
		for i := range want {
			if n := Index(&want[i]); !seen[n] {
				return fmt.Errorf("%d of %d messages arrived, message %d is the first lost", len(seen), len(want), n)
			}
		}
	}
	return nil
}

// checkOrder checks that m may come right after before, of the same place; nil
// if it is the first.
func (a arrival) checkOrder(before, m *pipeline.Message) error {
	if !a.ordered {
		return nil
	}
	if before != nil && Index(m) < Index(before) {
		return fmt.Errorf("message %d after %d", Index(m), Index(before))
	}
	if !a.offsets {
		return nil
	}
	switch {
	case m.Origin.Place == "":
		return fmt.Errorf("message %d has no place", Index(m))
	case before != nil && m.Origin.Offset <= before.Origin.Offset:
		return fmt.Errorf("%s@%d after @%d", m.Origin.Place, m.Origin.Offset, before.Origin.Offset)
	}
	return nil
}

// countDistinct counts the different messages in msgs.
func countDistinct(msgs []pipeline.Message) int {
	seen := make(map[int]bool, len(msgs))
	for i := range msgs {
		seen[Index(&msgs[i])] = true
	}
	return len(seen)
}
