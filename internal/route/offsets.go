package route

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/offsets"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// OffsetOptions say which positions are translated.
type OffsetOptions struct {
	// From is the URL of the plaintext as a source, Via that of its envelopes
	// as a destination, and To that of a decrypted copy as a destination; ""
	// for none.
	From, Via, To string
	// Readers is the name of the readers of From. Encryptor is that of the
	// route from From to Via; "" if it is not known.
	Readers, Encryptor string
	// Apply is the name that readers of Via, or of To if there is one, get
	// their positions under; "" to set none. Replace allows to replace
	// positions that they have.
	Apply   string
	Replace bool
	// Scan and SkipMissing are those of offsets.Options.
	Scan, SkipMissing bool
}

// OffsetReport is the result of a translation.
type OffsetReport struct {
	// Members is how many of the readers are at work: their positions move.
	Members int
	Rows    []offsets.Row
	// Ready says that readers may be set by the rows.
	Ready bool
	// Applied says that they have been.
	Applied bool
}

// ErrOffsetsNotReady says that positions were not set, since some of them
// cannot be translated.
var ErrOffsetsNotReady = errors.New("some positions cannot be translated")

// TranslateOffsets finds where readers of plaintext go on in the envelopes of
// it. It joins no group and changes nothing but the positions of o.Apply. With
// an error about these there is a report all the same.
func TranslateOffsets(ctx context.Context, o OffsetOptions, env Env) (_ *OffsetReport, err error) {
	env = env.complete()
	t := &translation{OffsetOptions: o, env: env}
	defer func() { err = errors.Join(err, t.closers.close()) }()
	if err := t.openEnds(ctx); err != nil {
		return nil, env.explain(err)
	}
	report, err := t.translateAll(ctx)
	if err != nil {
		return nil, env.explain(err)
	}
	if o.Apply == "" {
		return report, nil
	}
	if !report.Ready {
		return report, ErrOffsetsNotReady
	}
	if err := t.apply(ctx, report); err != nil {
		return report, env.explain(err)
	}
	report.Applied = true
	return report, nil
}

// translation is a translation with its ends.
type translation struct {
	OffsetOptions
	env             Env
	closers         closers
	plan            *plan
	via, to         endpoint.Endpoint
	plain           *endpoint.Positions
	sealed, copied  *endpoint.Positions
	readers, sealer *endpoint.Readers
}

// openEnds opens the envelopes before the plaintext: then each envelope is of
// plaintext that is there.
func (t *translation) openEnds(ctx context.Context) (err error) {
	if t.plan, err = newPlan(verify, Config{From: t.From}, t.env); err != nil {
		return err
	}
	from, ok := t.plan.from.(endpoint.Positioned)
	if !ok {
		return errNoPositions(t.plan.source.Name)
	}
	session := t.plan.newSession(archive.Functions{}, &t.closers)
	if t.via, err = t.env.Endpoints.Parse(t.Via, endpoint.To); err != nil {
		return hint.PrefixError("via", err)
	}
	session.Mapping = t.via.Traits().Mapping
	if t.To != "" {
		if t.to, err = t.env.Endpoints.Parse(t.To, endpoint.To); err != nil {
			return err
		}
	}
	names, err := t.findTopics(ctx, from, session)
	if err != nil {
		return err
	}
	if t.sealed, err = openPositions(ctx, t.via, session, names[0]); err != nil {
		return hint.PrefixError("via", err)
	}
	if t.to != nil {
		if t.copied, err = openPositions(ctx, t.to, session, names[1]); err != nil {
			return hint.PrefixError("to", err)
		}
	}
	if t.plain, err = from.OpenPositions(ctx, session, nil); err != nil {
		return hint.PrefixError("from", err)
	}
	if t.readers, err = t.plain.ReadReaders(ctx, t.Readers); err != nil {
		return hint.PrefixError("from", err)
	}
	if t.Encryptor != "" {
		if t.sealer, err = t.plain.ReadReaders(ctx, t.Encryptor); err != nil {
			return hint.PrefixError("from", err)
		}
	}
	return nil
}

func errNoPositions(name string) error {
	return hint.New(name+": only topics and streams have readers with positions",
		"files are read from where a checkpoint says")
}

// openPositions opens an end, which may be a template, with these topics.
func openPositions(
	ctx context.Context, end endpoint.Endpoint, s *endpoint.Session, topics []string,
) (*endpoint.Positions, error) {
	positioned, ok := end.(endpoint.Positioned)
	if !ok {
		return nil, errNoPositions(end.Traits().Name)
	}
	return positioned.OpenPositions(ctx, s, topics)
}

// findTopics returns the topics of the envelopes and of the copy, for ends that
// are templates; nil for one that is none.
func (t *translation) findTopics(
	ctx context.Context, from endpoint.Positioned, s *endpoint.Session,
) (names [2][]string, err error) {
	if t.via.Traits().MapTopic == nil {
		if t.plan.source.SeveralTopics {
			return names, hint.New("via: one destination for several topics",
				"name it with {topic} in it, as the route does")
		}
		return names, nil
	}
	positions, err := from.OpenPositions(ctx, s, nil)
	if err != nil {
		return names, hint.PrefixError("from", err)
	}
	for i := range positions.Places {
		sealed, err := t.sealedTopic(positions.Places[i].Topic)
		if err != nil {
			return names, err
		}
		if slices.Contains(names[0], sealed) {
			continue
		}
		copied, err := t.copyTopic(sealed)
		if err != nil {
			return names, err
		}
		names[0] = append(names[0], sealed)
		if copied != "" {
			names[1] = append(names[1], copied)
		}
	}
	return names, nil
}

// sealedTopic returns the topic that holds the envelopes of a topic.
func (t *translation) sealedTopic(topic string) (string, error) {
	if mapTopic := t.via.Traits().MapTopic; mapTopic != nil {
		return mapTopic(topic)
	}
	return t.via.Traits().Context, nil
}

// copyTopic returns the topic that holds the decrypted copy of a topic of
// envelopes; "" if there is none.
func (t *translation) copyTopic(sealed string) (string, error) {
	switch {
	case t.to == nil:
		return "", nil
	case t.to.Traits().MapTopic != nil:
		return t.to.Traits().MapTopic(sealed)
	}
	return t.to.Traits().Context, nil
}

// translateAll translates topic by topic.
func (t *translation) translateAll(ctx context.Context) (*OffsetReport, error) {
	report := &OffsetReport{Members: t.readers.Members}
	find := findSealed(t.via.Traits().TextHeaders)
	o := offsets.Options{Scan: t.Scan, SkipMissing: t.SkipMissing}
	o.Claim = func(m *pipeline.Message) (envelope.Position, bool) {
		sealed, err := find(m)
		if err != nil {
			return envelope.Position{}, false
		}
		return envelope.ClaimedPosition(sealed)
	}
	for _, topic := range listTopics(t.plain) {
		plain, err := t.listPlain(topic)
		if err != nil {
			return nil, err
		}
		sealed, err := t.listSealed(topic)
		if err != nil {
			return nil, err
		}
		rows, err := offsets.Translate(ctx, plain, sealed, o)
		if err != nil {
			return nil, err
		}
		report.Rows = append(report.Rows, rows...)
	}
	report.Ready = offsets.IsReady(report.Rows)
	return report, nil
}

// listTopics lists the topics of places, in their order.
func listTopics(p *endpoint.Positions) []string {
	var topics []string
	for i := range p.Places {
		if !slices.Contains(topics, p.Places[i].Topic) {
			topics = append(topics, p.Places[i].Topic)
		}
	}
	return topics
}

func (t *translation) listPlain(topic string) ([]offsets.Plain, error) {
	var all []offsets.Plain
	for _, place := range t.plain.Places {
		if place.Topic != topic {
			continue
		}
		if place.Identity == nil {
			return nil, fmt.Errorf("from: %s: its envelopes cannot be told from others: "+
				"the brokers give topics no ids (Kafka 2.8)", place.Place())
		}
		p := offsets.Plain{
			Log: place.Peeker, Source: place.Identity.Short(), Number: uint16(place.Number),
			Next: -1, SealedTo: -1, Compacted: place.Compacted,
		}
		if next, ok := t.readers.Next[place.Place()]; ok {
			p.Next = next
		}
		if t.sealer != nil {
			if next, ok := t.sealer.Next[place.Place()]; ok {
				p.SealedTo = next
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func (t *translation) listSealed(topic string) ([]offsets.Sealed, error) {
	name, err := t.sealedTopic(topic)
	if err != nil {
		return nil, err
	}
	copyName, err := t.copyTopic(name)
	if err != nil {
		return nil, err
	}
	var all []offsets.Sealed
	for _, place := range t.sealed.Places {
		if place.Topic != name {
			continue
		}
		q := offsets.Sealed{Log: place.Peeker, Number: place.Number, Base: place.Base, Compacted: place.Compacted}
		if t.copied != nil {
			for _, other := range t.copied.Places {
				if other.Topic == copyName && other.Number == place.Number {
					q.Copy, q.Compacted = other.Peeker, q.Compacted || other.Compacted
				}
			}
		}
		all = append(all, q)
	}
	return all, nil
}

// apply sets the positions of the new readers.
func (t *translation) apply(ctx context.Context, report *OffsetReport) error {
	at := t.sealed
	if t.copied != nil {
		at = t.copied
	}
	if at.MoveReaders == nil {
		return hint.New("apply: the positions of such readers cannot be set",
			"make them with the position that is shown: nats consumer add --deliver OFFSET")
	}
	next := make(map[string]int64)
	for i := range report.Rows {
		row := &report.Rows[i]
		switch {
		case !row.State.IsUsable():
		case t.copied != nil:
			next[row.To] = row.ToOffset
		default:
			next[row.Via] = row.Offset
		}
	}
	return at.MoveReaders(ctx, t.Apply, next, t.Replace)
}
