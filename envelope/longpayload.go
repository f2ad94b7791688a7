package envelope

import (
	"context"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// maxStreamBytes is the most payload of one stream (docs/envelope.md, section
// 11).
const maxStreamBytes = 1 << 40

// longPayload is all that the chunks of one long payload have in common.
type longPayload struct {
	grant *kekcache.Grant // nil before beginSealing
	aad   *cms.AAD
	bound *cms.Binding // in the memory of binder
}

// beginSealing takes a data key, and appends the key record, unless that is in
// a store, and the head of the envelope. The data key is released by
// releaseKey, also after an error.
func (t *longPayload) beginSealing(
	ctx context.Context, s *Sealer, dst []byte, binder *binder, b *Binding, coded bool,
) ([]byte, error) {
	var position cms.Position
	var err error
	if t.bound, err = binder.bindSealing(b, &position); err != nil {
		return dst, refuse(err)
	}
	if t.grant, err = s.supply.StreamKey(ctx); err != nil {
		t.grant = nil
		return dst, refuse(err)
	}
	key := t.grant.Key
	if !key.ByReference {
		record, err := codec{}.SealRecord(key, t.grant.Sealer, s.options.KeyContext)
		if err != nil {
			return dst, err
		}
		dst = append(dst, record...)
	}
	template := cms.NewTemplate(cms.Layout{
		ByReference: true, Chunked: true, Coded: coded, Commitment: key.Commitment[:],
	})
	position.Created = t.grant.Created
	template.SetPosition(&position)
	if coded {
		coding := newCoding(&s.options.Coding, s.options.Coding.Level > 0)
		template.SetCoding(&coding)
		if d := s.options.Coding.Dictionary; d != nil {
			hash := d.Sum()
			t.bound.Dictionary = hash[:]
		}
	}
	t.aad = cms.NewAAD([]byte(s.options.Context))
	var id [cms.MessageIDSize]byte
	return appendChunkedHead(dst, template, true, t.aad, &id, s.options.ChunkSize)
}

// releaseKey ends the use of the data key. Further calls do nothing.
func (t *longPayload) releaseKey() {
	if t.grant != nil {
		t.grant.Done()
	}
}
