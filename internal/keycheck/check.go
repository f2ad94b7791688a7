package keycheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Options say which keys are tried, and how.
type Options struct {
	Keys    []keys.Unwrapper // none: the needed keys are listed, and nothing is tried
	Context keys.Context
	// ContextOf returns the context of the messages of a place. Nil means that
	// it is Context for all of them.
	ContextOf func(place string) (keys.Context, error)
	Store     kekcache.Store // for envelopes by reference; may be nil
	// Sealed returns the envelope that a message carries, or why it carries
	// none, as a *pipeline.Reject.
	Sealed func(m *pipeline.Message) ([]byte, error)
	// Recipients is how many an envelope should have at least; default: as many
	// as there are Keys.
	Recipients int
	// Signers, if there are any, are those of which one must vouch for a data
	// key.
	Signers []keys.Verifier
	Skew    time.Duration // how far clocks may differ; default 5 minutes
	Timeout time.Duration // how long a key service is waited for; default 15 s
	Log     *slog.Logger
	Audit   kekcache.Auditor // may be nil
}

// Checker looks at messages and keeps count. Its methods may be called by
// several goroutines.
type Checker struct {
	o      Options
	looked atomic.Int64

	mu       sync.Mutex
	ring     []*ringKey            // of context
	rings    map[string][]*ringKey // by name of the context
	states   []*kekState           // of o.Keys
	context  keys.Context          // of the envelope that is looked at
	rows     map[string]*KEK
	order    []*KEK // of rows
	signers  []*Signer
	needs    map[needName]*need
	kept     map[[cms.KIDSize]byte][][]byte // key records of an archive
	places   map[string]*Place
	report   Report
	envelope cms.Envelope // scratch
}

// New validates o.
func New(o Options) (*Checker, error) {
	if o.Recipients < 0 {
		return nil, errors.New("recipients must not be negative")
	}
	if len(o.Keys) > maxRows {
		return nil, fmt.Errorf("%d keys are configured, at most %d can be checked", len(o.Keys), maxRows)
	}
	o.Recipients = cmp.Or(o.Recipients, len(o.Keys))
	o.Timeout = cmp.Or(o.Timeout, 15*time.Second)
	c := &Checker{
		o: o, rings: map[string][]*ringKey{}, rows: map[string]*KEK{}, needs: map[needName]*need{},
		places: map[string]*Place{},
		report: Report{
			Tried: len(o.Keys) > 0, Recipients: o.Recipients,
			Refused: map[string]int64{}, Unreadable: map[string]int64{},
		},
	}
	for _, s := range o.Signers {
		c.signerOf(s.KID()).Trusted = true
	}
	for _, k := range o.Keys {
		state := &kekState{row: c.findOrAddRow(k.Name())}
		state.row.Configured, state.row.Why = true, ""
		c.states = append(c.states, state)
	}
	return c, c.useContext(o.Context)
}

// useContext has the next envelopes be looked at as those of a context.
func (c *Checker) useContext(name keys.Context) error {
	c.context = name
	var known bool
	if c.ring, known = c.rings[name.Name]; known {
		return nil
	}
	var ring []*ringKey
	for i, k := range c.o.Keys {
		r, err := newRingKey(k, &c.o, name, c.states[i])
		if err != nil {
			return err
		}
		ring = append(ring, r)
	}
	c.ring, c.rings[name.Name] = ring, ring
	return nil
}

// Looked is how many messages have been looked at.
func (c *Checker) Looked() int64 { return c.looked.Load() }

// Report returns the findings so far.
func (c *Checker) Report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.report
	out.Refused, out.Unreadable = maps.Clone(out.Refused), maps.Clone(out.Unreadable)
	out.KEKs = []KEK{}
	for _, r := range c.order {
		out.KEKs = append(out.KEKs, *r)
	}
	for _, s := range c.signers {
		out.Signers = append(out.Signers, *s)
	}
	for _, p := range c.places {
		out.Places = append(out.Places, *p)
	}
	slices.SortFunc(out.Places, func(a, b Place) int { return cmp.Compare(a.Name, b.Name) })
	return &out
}

// Scan looks at all messages that the source serves, limit bytes at a time, and
// tells the source that it is done with them.
func (c *Checker) Scan(ctx context.Context, source pipeline.Source, limit int) error {
	return source.Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		for {
			b, err := lane.Read(ctx, limit)
			switch {
			case err == nil:
				err = c.checkBatch(ctx, lane, b)
			case err == io.EOF: // bare: wrapped it is a connection that broke
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

func (c *Checker) checkBatch(ctx context.Context, lane pipeline.Lane, b *pipeline.Batch) error {
	if b.Release != nil {
		defer b.Release()
	}
	for i := range b.Messages {
		if err := c.checkNext(ctx, &b.Messages[i]); err != nil {
			return err
		}
	}
	return lane.Commit(ctx, &pipeline.Progress{Messages: len(b.Messages), Places: b.Ends})
}

// checkNext looks at the next message of its place. One that comes again is
// passed over.
func (c *Checker) checkNext(ctx context.Context, m *pipeline.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.placeOf(m.Origin.Place)
	if m.Origin.Offset <= p.Last {
		return nil
	}
	is, err := c.checkMessage(ctx, m)
	if err != nil {
		return err
	}
	p.addMessage(m.Origin.Offset, is)
	return nil
}

// placeOf returns the count of a place. The caller holds the lock.
func (c *Checker) placeOf(name string) *Place {
	p := c.places[name]
	if p == nil {
		p = &Place{Name: name, First: -1, Last: -1}
		c.places[name] = p
	}
	return p
}

// checkMessage judges one message and counts it, but for its place. The error
// is ctx's, or the key store's. The caller holds the lock.
func (c *Checker) checkMessage(ctx context.Context, m *pipeline.Message) (verdict, error) {
	c.looked.Add(1)
	if m.Fault != nil {
		return c.countRefused(m.Fault), nil //nolint:nilerr // it is counted
	}
	sealed, err := c.o.Sealed(m)
	if err != nil {
		return c.countRefused(err), nil
	}
	if c.o.ContextOf != nil {
		name, err := c.o.ContextOf(m.Origin.Place)
		if err == nil {
			err = c.useContext(name)
		}
		if err != nil {
			return refused, err
		}
	}
	return c.checkEnvelope(ctx, sealed)
}

// maxKept is how many names of key records of an archive are kept.
const maxKept = 100_000

// KeepRecord has a key record of an archive be used for the messages behind it.
// Anything else is counted as refused.
func (c *Checker) KeepRecord(record []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var e cms.Envelope
	if err := cms.ParseRecord(record, cms.KeyRecord, &e); err != nil {
		c.countRefused(err)
		return
	}
	kid := [cms.KIDSize]byte(e.Commitment)
	if c.kept == nil || len(c.kept) >= maxKept {
		c.kept = map[[cms.KIDSize]byte][][]byte{}
	}
	c.kept[kid] = append(c.kept[kid], slices.Clone(record))
}

// Envelope looks at an envelope that is no message of a place.
func (c *Checker) Envelope(ctx context.Context, sealed []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.checkEnvelope(ctx, sealed)
	return err
}

// checkEnvelope judges one envelope and counts it. The caller holds the lock.
func (c *Checker) checkEnvelope(ctx context.Context, sealed []byte) (verdict, error) {
	if err := cms.Parse(sealed, &c.envelope); err != nil {
		return c.countRefused(err), nil
	}
	n, err := c.findNeed(ctx, &c.envelope.Header, c.envelope.Recipients)
	switch {
	case err != nil:
		return refused, err
	case n.malformed != nil:
		return c.countRefused(n.malformed), nil //nolint:nilerr // the envelope is at fault, and that is counted
	}
	return c.countEnvelope(n), nil
}

// countRefused counts a message that is no envelope.
func (c *Checker) countRefused(err error) verdict {
	c.report.Refused[reasonOf(err)]++
	return refused
}

// countEnvelope counts an envelope that needs n.
func (c *Checker) countEnvelope(n *need) verdict {
	c.report.Envelopes++
	if n.recipients < c.report.Recipients {
		c.report.Few++
	}
	for _, r := range n.rows {
		r.Envelopes++
	}
	for _, s := range n.signers {
		s.Envelopes++
	}
	if len(n.signers) == 0 {
		c.report.Unsigned++
	}
	c.report.More += n.more
	switch {
	case !c.report.Tried:
		return unreadable
	case n.why != "":
		c.report.Unreadable[n.why]++
		return unreadable
	}
	c.report.Readable++
	return readable
}
