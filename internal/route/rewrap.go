package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/transform"
)

// Rewrap opens a route that copies envelopes with their data keys wrapped for
// other key encryption keys. Without From and To it rewraps all records of the
// key store. See Encrypt.
func Rewrap(ctx context.Context, c Config, env Env) (*Route, error) {
	if c.From == "" && c.To == "" {
		return openStoreRewrap(ctx, c, env)
	}
	return open(ctx, rewrap, c, env)
}

// ReadersContext is the context that readers of a route's output must name,
// since it is not the one that they would use by themselves. Rewrapped
// envelopes keep the context that they were sealed with. It is known when the
// route is open.
func (r *Route) ReadersContext() (name string, needed bool) {
	if r.keep == nil {
		return "", false
	}
	return *r.keep, true
}

// contextToKeep returns the context for ReadersContext, nil if readers need to
// name none.
func (p *plan) contextToKeep() *string {
	name := string(p.context)
	switch {
	case p.do != rewrap:
		return nil
	case p.byTopic():
		if name = p.rebaseContexts(); name == "" || name == placeOfTopic {
			return nil
		}
	case name == p.sink.Context:
		return nil
	}
	return &name
}

// rebaseContexts returns the template with which readers of the topics that are
// written name the contexts; empty if there is none.
func (p *plan) rebaseContexts() string {
	if p.sink.Rebase == nil {
		return ""
	}
	name, _ := p.sink.Rebase(p.describeContext())
	return name
}

// checkRewrap refuses copies that nobody could open.
func (p *plan) checkRewrap() error {
	if p.do != rewrap {
		return nil
	}
	if p.sink.NoRewrap != nil {
		return hint.PrefixError("to", p.sink.NoRewrap)
	}
	without := ""
	switch [2]endpoint.Subjects{p.source.Subjects, p.sink.Subjects} {
	case [2]endpoint.Subjects{endpoint.OwnSubjects, endpoint.NoSubjects}:
		without = p.sink.Name
	case [2]endpoint.Subjects{endpoint.NoSubjects, endpoint.OwnSubjects}:
		without = p.source.Name
	}
	switch {
	case without != "":
		return &hint.Error{
			Err: fmt.Errorf("%s and %s: an envelope is bound to the subject under which it is published, and %s "+
				"has none",
				p.source.Name, p.sink.Name, without),
			Hint: "decrypt and encrypt",
		}
	case p.sink.Repartitions:
		return &hint.Error{
			Err: fmt.Errorf("%s: an envelope may name the partition in which it lies, and rewrapping keeps that",
				p.sink.Name),
			Hint: "leave out partition=, or decrypt and encrypt",
		}
	case !p.source.Archive || !p.sink.Archive:
		return nil
	case p.sink.Append:
		return &hint.Error{
			Err:  errors.New("to: the end record of an archive is copied, and is for the messages before it only"),
			Hint: "leave out append=",
		}
	case p.dead != nil:
		return &hint.Error{
			Err:  errors.New("dead letters: an archive's end record is copied, and is for all of its messages"),
			Hint: "leave out --dead-letter, or write to a file that ends in .ndjson",
		}
	}
	return nil
}

// rewraps counts the work of a route that rewraps. The zero value is that of
// another route.
type rewraps struct {
	stats   transform.RewrapStats
	keys    *envelope.Rewrapper // of one topic
	counted func() int64        // data keys of several
}

func (r *rewraps) report(s *Snapshot) {
	switch {
	case r.keys != nil:
		s.DataKeys = r.keys.CountKeys()
	case r.counted != nil:
		s.DataKeys = r.counted()
	default:
		return
	}
	s.Rewrapped, s.Already = r.stats.Rewrapped.Load(), r.stats.Already.Load()
}
