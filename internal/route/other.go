package route

import (
	"context"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// loadOtherSealer loads the keys to seal for in another format, and makes the
// first data key. The caller closes it.
func (p *plan) loadOtherSealer(ctx context.Context) (*convert.Sealer, error) {
	wrappers, err := p.loadWrappers(ctx)
	if err != nil {
		return nil, err
	}
	p.keyNames, p.keySet = listNames(wrappers), nameKeys(wrappers)
	sealer, err := convert.NewSealer(wrappers, convert.SealerOptions{
		Format: *p.seals, RandomNonces: p.nonces != 0, Limits: p.window(),
		Log: p.env.Log, Audit: p.audit, Observer: p.newKeyObserver(),
	})
	if err != nil {
		return nil, err
	}
	if err := sealer.Prepare(ctx); err != nil { // local keys wait for nobody
		_ = sealer.Close()
		return nil, err
	}
	p.env.Log.Debug("data key ready", "keys", names[keys.Wrapper](wrappers), "format", p.seals.Name)
	return sealer, nil
}

// loadOtherOpener loads the keys to open messages of other formats with; nil if
// none are opened.
func (p *plan) loadOtherOpener(ctx context.Context) (*convert.Opener, error) {
	if len(p.opens) == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	unwrappers, err := p.loadUnwrappers(ctx, p.openingKeys())
	if err != nil {
		return nil, err
	}
	return convert.NewOpener(unwrappers, convert.OpenerOptions{
		Formats: p.opens, Signers: p.signers, PassUntrusted: p.passes(pipeline.ReasonUntrusted),
		Log: p.env.Log, Audit: p.audit, Observer: p.newKeyObserver(),
	})
}

// otherKeys are the keys for messages of other formats.
type otherKeys struct {
	sealer *convert.Sealer // nil unless a conversion seals with it
	opener *convert.Opener // nil unless some are opened
}

// loadOther loads the keys for other formats of a route that opens envelopes.
func (r *records) loadOther(ctx context.Context) (err error) {
	if r.other.opener, err = r.loadOtherOpener(ctx); err != nil || r.seals == nil {
		return err
	}
	if r.other.sealer, err = r.loadOtherSealer(ctx); err != nil {
		return err
	}
	r.closers.add(r.other.sealer.Close)
	r.renewing = r.other.sealer.Run
	return nil
}

// convertToOther returns a transform that opens envelopes, and seals their
// payloads in another format.
func (r *records) convertToOther(opens *transform.Decrypt) (pipeline.Transform, error) {
	seals, err := r.newEncryptOther(r.other.sealer, nil)
	if err != nil {
		return nil, err
	}
	return transform.NewConvert(transform.ConvertOptions{
		Open: opens, Seal: seals, IsThere: r.seals.Codec.Recognizes,
	})
}

// convertFromOther returns a transform that opens messages of other formats,
// and seals envelopes.
func (r *records) convertFromOther(seals *transform.Encrypt) (pipeline.Transform, error) {
	opens, err := r.newDecryptOther(r.other.opener, nil)
	if err != nil {
		return nil, err
	}
	return transform.NewConvert(transform.ConvertOptions{Open: opens, Seal: seals, IsThere: envelope.IsEnvelope})
}

// openSealingOther opens a route that seals in another format. There is one
// data key for all topics, since nothing is bound to one.
func (r *records) openSealingOther(ctx context.Context) error {
	sealer, err := r.loadOtherSealer(ctx)
	if err != nil {
		return err
	}
	r.closers.add(sealer.Close)
	r.renewing = sealer.Run
	r.load = r.reloadOther(sealer.Reload)
	if err := r.openEnds(ctx, archive.Functions{}, 0); err != nil {
		return err
	}
	return r.setTransform(func() (pipeline.Transform, error) {
		return r.eachTopic(func(subject transform.MapSubject) (pipeline.Transform, error) {
			return r.newEncryptOther(sealer, subject)
		})
	})
}

// eachTopic returns a transform that depends on the topic by nothing but the
// subjects of its messages.
func (r *records) eachTopic(
	newTransform func(subject transform.MapSubject) (pipeline.Transform, error),
) (pipeline.Transform, error) {
	if !r.byTopic() {
		t, err := newTransform(r.out.MapSubject)
		return &fitted{Transform: t, check: r.out.Check}, err
	}
	t := newTopical(r.source.TopicOf, func(topic string) (string, error) { return topic, nil },
		func(topic, _ string) (pipeline.Transform, func(), error) {
			t, err := newTransform(r.mapSubjectOf(topic))
			return t, func() {}, err
		})
	return &fitted{Transform: t, check: r.out.Check}, nil
}

func (r *records) newEncryptOther(
	sealer *convert.Sealer, subject transform.MapSubject,
) (*transform.EncryptOther, error) {
	medium := envelope.Topic
	if r.sink.NoHeaderOrder {
		medium = envelope.Stream
	}
	return transform.NewEncryptOther(transform.EncryptOtherOptions{
		Sealer: sealer.NewWorker(), Title: r.seals.Title, Subject: subject, Medium: medium,
		PassSealed: r.converts || r.passes(pipeline.ReasonAlreadySealed), Effects: r.converts || r.source.Effects,
		PassTombstones: r.passesTombstones(),
	})
}

// newDecryptOther returns nil if no other formats are opened.
func (r *records) newDecryptOther(
	opener *convert.Opener, subject transform.MapSubject,
) (*transform.DecryptOther, error) {
	if opener == nil {
		return nil, nil //nolint:nilnil // documented
	}
	return transform.NewDecryptOther(transform.DecryptOtherOptions{
		Opener: opener.NewWorker(), Bind: r.bind, Subject: subject, SealedSubject: r.in.SealedSubject,
		PassTombstones: r.passesTombstones(), PassPlain: r.passes(pipeline.ReasonNotEnvelope),
		PassExtraHeaders: r.PassExtraHeaders,
	})
}

// reloadOther has a sealer of another format seal for other keys.
func (p *plan) reloadOther(reload func(ctx context.Context, wrappers []keys.Wrapper) error) loadKeys {
	return func(ctx context.Context, urls []string) error {
		wrappers, err := p.loadWrappersOf(ctx, urls)
		if err != nil {
			return err
		}
		if err := reload(ctx, wrappers); err != nil {
			return err
		}
		p.env.Log.Info("keys loaded anew", "keys", names[keys.Wrapper](wrappers))
		return nil
	}
}
