package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/transform"
)

// Rewrap opens a route that copies envelopes with their data keys wrapped for other key encryption keys. Without From and To it
// rewraps all records of the key store. See Encrypt.
func Rewrap(ctx context.Context, c Config, env Env) (*Route, error) {
	if c.From == "" && c.To == "" {
		return openStoreRewrap(ctx, c, env)
	}
	return open(ctx, rewrap, c, env)
}

// ReadersContext is the context that readers of a route's output must name because they would not take it by themselves. Rewrapped
// envelopes keep the one that they were sealed with. It is known when the route is open.
func (r *Route) ReadersContext() (name string, needed bool) {
	if r.keep == nil {
		return "", false
	}
	return *r.keep, true
}

// keep returns the context for ReadersContext, nil if there is none to name.
func (p *plan) keep() *string {
	if p.do != rewrap || string(p.context) == p.to.context() {
		return nil
	}
	name := string(p.context)
	return &name
}

// checkRewrap refuses what would make envelopes of which somebody finds out later that nobody can open them.
func (p *plan) checkRewrap() error {
	const bound = "an envelope is bound to the subject under which it is published"
	switch {
	case p.to.nats != nil && p.to.nats.subjects != (nats.SubjectMap{}):
		return &hint.Error{
			Err:  errors.New("to: " + bound + ", and subject= or strip= would change it"),
			Hint: "leave them out, and write to a stream of another account or server that takes the same subjects; or to a .scx file, and from there",
		}
	case p.from.nats != nil && p.to.kafka != nil, p.from.kafka != nil && p.to.nats != nil:
		return &hint.Error{Err: fmt.Errorf("%s and %s: %s, and a topic has none", p.from.name, p.to.name, bound), Hint: "decrypt and encrypt"}
	case !p.from.seq() || !p.to.seq():
		return nil
	case p.to.file.append:
		return &hint.Error{Err: errors.New("to: the end record of an archive is copied, and is for the messages before it only"), Hint: "leave out append="}
	case p.dead != nil:
		return &hint.Error{
			Err:  errors.New("dead letters: an archive's end record is copied, and is for all of its messages"),
			Hint: "leave out --dead-letter, or write to a file that ends in .ndjson",
		}
	}
	return nil
}

// rewrapping loads the keys to rewrap from and for.
func (p *plan) rewrapping(ctx context.Context) (*envelope.Rewrapper, error) {
	from, err := keyring.Unwrappers(ctx, p.OldKeys, p.env.Log)
	if err != nil {
		return nil, hint.Prefix("old", err)
	}
	to, err := keyring.Wrappers(ctx, p.Keys, p.env.Log)
	if err != nil {
		return nil, err
	}
	o := envelope.RewrapperOptions{Context: string(p.context), Verify: p.VerifyKeys, Audit: p.audit, Log: p.env.Log}
	if o.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	p.env.Log.Info("keys loaded", "old", names[keys.Unwrapper](from), "new", names[keys.Wrapper](to))
	return envelope.NewRewrapper(from, to, o)
}

// rewraps is what a job that rewraps counts. The zero value is that of one that does not.
type rewraps struct {
	stats transform.RewrapStats
	keys  *envelope.Rewrapper
}

func (r *rewraps) report(s *Snapshot) {
	if r.keys == nil {
		return
	}
	s.Rewrapped, s.Already, s.DataKeys = r.stats.Rewrapped.Load(), r.stats.Already.Load(), r.keys.CountKeys()
}
