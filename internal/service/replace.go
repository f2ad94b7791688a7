package service

import (
	"errors"
	"reflect"
	"slices"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// Change says which routes a call of Replace has started and ended; those that
// were changed are in both lists.
type Change struct{ Started, Ended []string }

// IsEmpty tells whether nothing has changed.
func (c *Change) IsEmpty() bool { return len(c.Started)+len(c.Ended) == 0 }

var errEnding = errors.New("the process is ending")

// Replace makes these routes those of s. A route that is the same as before is
// not touched, unless it is over and failed: it is started again. A route that
// has changed has ended before it is started as it is now. Replace returns when
// all that end have ended, which takes up to their grace. Before Run it waits.
func (s *Service) Replace(members []route.Member) (Change, error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	<-s.begun
	var change Change
	leaving := s.findLeaving(members)
	for _, r := range leaving {
		<-r.ended
		change.Ended = append(change.Ended, r.member.Name)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ctx.Err() != nil {
		return change, errEnding
	}
	s.runners = slices.DeleteFunc(s.runners, func(r *runner) bool { return slices.Contains(leaving, r) })
	for _, m := range members {
		if !slices.ContainsFunc(s.runners, func(r *runner) bool { return r.member.Name == m.Name }) {
			s.addRunner(m)
			change.Started = append(change.Started, m.Name)
		}
	}
	s.checkIdle()
	return change, nil
}

// findLeaving returns the routes that are not among members as they are, and
// notes that they end by our wish.
func (s *Service) findLeaving(members []route.Member) (leaving []*runner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runners {
		same := slices.ContainsFunc(members, func(m route.Member) bool { return reflect.DeepEqual(m, r.member) })
		if !same || r.failed() != nil {
			r.leave()
			leaving = append(leaving, r)
		}
	}
	return leaving
}
