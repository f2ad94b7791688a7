package route

import (
	"context"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// placeMemory is what a route needs for each of many places beside its workers,
// in bytes: the position, the state of its Gate and what is known of the
// partition.
const placeMemory = 16 << 10

// openSealingByTopic opens a route that seals for several contexts. Data keys
// are made when the first message of a topic comes, but for one: that shows
// whether the keys are any good before anything is made or read.
func (r *records) openSealingByTopic(ctx context.Context) error {
	wrappers, err := r.loadWrappers(ctx)
	if err != nil {
		return err
	}
	sealers := &contextTable[*envelope.Sealer]{
		open:  func(name string) (*envelope.Sealer, error) { return r.sealing.ForContext(name) },
		close: (*envelope.Sealer).Close,
	}
	ahead := newAnnouncer(func(ctx context.Context, topic string) error { return r.prepareTopic(ctx, sealers, topic) })
	r.announce = ahead.announce
	r.opened = func(ctx context.Context) error { return r.makeFirstSealer(ctx, wrappers) }
	if err := r.openEnds(ctx, archive.Functions{}, 0); err != nil {
		return err
	}
	r.closers.add(ahead.close)
	r.load = r.reloadSealing(r.sealing)
	place := newPlaces(r.in, r.sink.KeepsPartitions)
	return r.setTransform(func() (pipeline.Transform, error) {
		t := newTopical(r.source.TopicOf, r.contextFor, func(topic, name string) (pipeline.Transform, func(), error) {
			return sealers.openTransform(name, func(sealer *envelope.Sealer) (pipeline.Transform, error) {
				return r.newEncrypt(sealer, place, r.mapSubjectOf(topic))
			})
		})
		return &fitted{Transform: t, textOut: r.sink.TextHeaders, check: r.out.Check}, nil
	})
}

// mapSubjectOf returns how subjects of messages of a topic change.
func (r *records) mapSubjectOf(topic string) transform.MapSubject {
	if r.out.MapSubjectOf != nil {
		return r.out.MapSubjectOf(topic)
	}
	return r.out.MapSubject
}

// makeFirstSealer makes the Sealer that the others are made of, and its data
// key.
func (r *records) makeFirstSealer(ctx context.Context, wrappers []keys.Wrapper) error {
	o, err := r.sealerOptions()
	if err != nil {
		return err
	}
	if o.Context, err = r.firstContext(r.in); err != nil {
		return err
	}
	o.Shared, err = envelope.NewSealKeys(kekcache.SealKeysOptions{
		Limits: o.Limits, Log: o.Log, Audit: o.Audit, Observer: o.Observer,
	})
	if err != nil {
		return err
	}
	r.closers.add(o.Shared.Close)
	o.Limits, o.Log, o.Audit, o.Observer = kekcache.Limits{}, nil, nil, nil
	if r.sealing, err = envelope.NewSealer(wrappers, o); err != nil {
		return err
	}
	r.closers.add(r.sealing.Close)
	if err := r.prepareSealer(ctx, r.sealing, wrappers); err != nil {
		return err
	}
	r.env.Log.Debug("data key ready", "keys", names[keys.Wrapper](wrappers), "context", o.Context)
	return nil
}

// prepareTopic makes the first data key of a topic.
func (r *records) prepareTopic(ctx context.Context, sealers *contextTable[*envelope.Sealer], topic string) error {
	name, err := r.contextFor(topic)
	if err != nil {
		return err
	}
	sealer, err := sealers.acquire(name)
	if err != nil {
		return err
	}
	defer sealers.release(name)
	return sealer.Prepare(ctx)
}

// keysPerTopic is how many unwrapped data keys are kept for each of several
// topics.
const keysPerTopic = 1000

// openOpeningByTopic opens a route that decrypts or verifies messages of
// several contexts.
func (r *records) openOpeningByTopic(ctx context.Context) error {
	unwrappers, err := r.loadUnwrappers(ctx, r.openingKeys())
	if err != nil {
		return err
	}
	openers, err := r.newOpeners(unwrappers)
	if err != nil {
		return err
	}
	r.load = r.reloadOpened(openers.replaceKeys)
	if err := r.openEnds(ctx, archive.Functions{}, 0); err != nil {
		return err
	}
	r.setGates()
	return r.setTransform(func() (pipeline.Transform, error) {
		t := newTopical(r.source.TopicOf, r.contextFor, func(topic, name string) (pipeline.Transform, func(), error) {
			return openers.openTransform(name, func(opener *envelope.Opener) (pipeline.Transform, error) {
				return r.newDecrypt(opener, r.mapSubjectOf(topic))
			})
		})
		return &fitted{Transform: t, textIn: r.source.TextHeaders, check: r.out.Check}, nil
	})
}

// openers are the Openers of a route over several topics.
type openers struct {
	contextTable[*envelope.Opener]
	plan       *plan
	unwrappers []keys.Unwrapper // guarded by contextTable.mu
}

func (r *records) newOpeners(unwrappers []keys.Unwrapper) (*openers, error) {
	options, err := r.openerOptions()
	if err != nil {
		return nil, err
	}
	options.MaxKeys, options.MaxInflated = keysPerTopic, int64(r.pipelineOptions().MaxValue()/2)
	if _, err := envelope.NewOpener(unwrappers, options); err != nil { // wrong options are told at once
		return nil, err
	}
	r.env.Log.Debug("keys loaded", "keys", names[keys.Unwrapper](unwrappers))
	o := &openers{plan: r.plan, unwrappers: unwrappers}
	o.contextTable.open = func(name string) (*envelope.Opener, error) {
		with := options
		with.Context = name
		return envelope.NewOpener(o.unwrappers, with)
	}
	o.contextTable.close = func(*envelope.Opener) error { return nil }
	return o, nil
}

// replaceKeys has all Openers use other keys, and those that are opened later.
func (o *openers) replaceKeys(unwrappers []keys.Unwrapper) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, k := range o.byName {
		if err := k.keys.Reload(unwrappers); err != nil {
			return err // the first one tells, before anything has changed: all are checked alike
		}
	}
	o.unwrappers = unwrappers
	return nil
}
