package envelope

import (
	"context"
	"crypto/rand"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// SealWorker seals messages on one goroutine. It has its memory and its share
// of the data key to itself, so it takes no lock and allocates nothing for a
// message. It is not safe for concurrent use.
type SealWorker struct {
	sealer    *Sealer
	quota     *kekcache.Quota
	chunkSize int
	coder     *coding.Encoder // nil where nothing is coded

	binder    binder
	aad       *cms.AAD
	key       *kekcache.Key            // that of the templates
	templates [formCount]*cms.Template // by formOf; made when they are needed
	signature []byte                   // that they carry
	tail      []byte                   // the encoded recipients; empty by reference
	head      [cms.MaxSealedHead]byte  // what stands between IV and ciphertext
	id        [cms.MessageIDSize]byte
	position  cms.Position
	coding    cms.Coding
	hash      [cms.DictionarySize]byte // of the dictionary
	scratch   []byte                   // a copy of a plaintext over which the envelope is written
}

const formCount = 4

// formOf numbers the templates.
func formOf(chunked, coded bool) int {
	form := 0
	if chunked {
		form |= 1
	}
	if coded {
		form |= 2
	}
	return form
}

// NewWorker returns a SealWorker for one goroutine.
func (s *Sealer) NewWorker() *SealWorker {
	w := &SealWorker{
		sealer:    s,
		quota:     s.supply.NewQuota(),
		chunkSize: s.options.ChunkSize,
		binder:    newBinder(s.options.Bind),
		aad:       cms.NewAAD([]byte(s.options.Context)),
	}
	if !s.options.Coding.IsSet() {
		return w
	}
	var err error
	if w.coder, err = coding.NewEncoder(s.options.Coding); err != nil {
		panic("envelope: internal error: " + err.Error()) // NewSealer has checked the options
	}
	if d := s.options.Coding.Dictionary; d != nil {
		w.hash = d.Sum()
	}
	return w
}

// MaxSize is the most bytes that Seal appends for a payload of n bytes.
func (w *SealWorker) MaxSize(n int) int {
	if w.coder != nil {
		n = w.sealer.options.Coding.MaxSize(n)
	}
	size := maxSealedSize(n, w.chunkSize)
	if w.key != nil && w.key.ByReference {
		return size
	}
	// The next message may be sealed for other KEKs (Reload), of which nothing
	// is known but that they keep to the format.
	return size + cms.MaxRecipientSize
}

// Seal is Sealer.Seal with a Position: p.Created is ignored and written from
// the clock. A nil b or p is the zero value.
func (w *SealWorker) Seal(ctx context.Context, dst, plaintext []byte, b *Binding, p *Position) ([]byte, error) {
	if !areApart(dst, plaintext) {
		exact, err := overlaps(dst, plaintext, w.MaxSize(len(plaintext)))
		switch {
		case err != nil:
			return dst, err
		case exact:
			return w.sealInPlace(ctx, dst, plaintext, b, p)
		}
	}
	if b == nil {
		b = &Binding{}
	}
	bound, err := w.bindMessage(b, p)
	if err != nil {
		return dst, err
	}
	coded := false
	if w.coder != nil && b.Kind == Value {
		plaintext, coded = w.codePayload(plaintext, bound)
	}
	return w.sealCoded(ctx, dst, plaintext, bound, coded)
}

// bindMessage sets the position of the next envelope.
func (w *SealWorker) bindMessage(b *Binding, p *Position) (*cms.Binding, error) {
	if p == nil {
		w.position = cms.Position{}
	} else if err := p.encode(&w.position); err != nil {
		return nil, err
	}
	bound, err := w.binder.bindSealing(b, &w.position)
	if err != nil {
		return nil, refuse(err)
	}
	return bound, nil
}

// sealCoded seals a payload in its coded form.
func (w *SealWorker) sealCoded(
	ctx context.Context, dst, payload []byte, bound *cms.Binding, coded bool,
) ([]byte, error) {
	chunks := 1
	if len(payload) > w.chunkSize {
		chunks = (len(payload) + w.chunkSize - 1) / w.chunkSize
	}
	grant, err := w.quota.Take(ctx, uint64(len(payload)), uint64(chunks))
	if err != nil {
		return dst, refuse(err)
	}
	if grant.Key != w.key {
		if err := w.useKey(grant.Key); err != nil {
			return dst, err
		}
	}
	w.position.Created = grant.Created
	t := w.templates[formOf(chunks > 1, coded)]
	if t == nil {
		t = w.makeTemplate(chunks > 1, coded)
	}
	t.SetPosition(&w.position)
	if coded {
		t.SetCoding(&w.coding)
	}
	if chunks > 1 {
		return w.sealChunked(dst, payload, grant.Sealer, t, bound)
	}
	return w.sealSingle(dst, payload, grant.Sealer, t, bound)
}

// sealStreamed seals the coded payload of a stream that turned out to be short.
func (w *SealWorker) sealStreamed(ctx context.Context, dst, payload []byte, b *Binding) ([]byte, error) {
	bound, err := w.bindMessage(b, nil)
	if err != nil {
		return dst, err
	}
	w.noteCoding(bound, w.sealer.options.Coding.Level > 0)
	return w.sealCoded(ctx, dst, payload, bound, true)
}

// codePayload codes a payload, and notes that for the envelope. What is longer
// than a chunk is always coded as configured, since a stream could not know
// whether that makes it shorter.
func (w *SealWorker) codePayload(payload []byte, bound *cms.Binding) (coded []byte, is bool) {
	coded, compressed := w.coder.Code(payload, len(payload) > w.chunkSize)
	w.noteCoding(bound, compressed)
	return coded, w.coding != cms.Coding{}
}

func (w *SealWorker) noteCoding(bound *cms.Binding, compressed bool) {
	w.coding = newCoding(&w.sealer.options.Coding, compressed)
	if w.coding.Dictionary != [4]byte{} {
		bound.Dictionary = w.hash[:]
	}
}

// newCoding says how a payload was coded; zero if it was not.
func newCoding(o *coding.Options, compressed bool) (c cms.Coding) {
	if compressed {
		c.Compression = cms.CompressionZstd
		if o.Dictionary != nil {
			c.Dictionary = o.Dictionary.Hint()
		}
	}
	if o.Padding.IsSet() {
		c.Padding = cms.PaddingMark
	}
	return c
}

// sealInPlace seals a copy of a plaintext that begins where dst ends. The
// envelope is written over the original.
func (w *SealWorker) sealInPlace(ctx context.Context, dst, plaintext []byte, b *Binding, p *Position) ([]byte, error) {
	w.scratch = append(w.scratch[:0], plaintext...)
	defer w.clearScratch()
	return w.Seal(ctx, dst, w.scratch, b, p)
}

// maxScratch is how much scratch memory a worker keeps, in bytes.
const maxScratch = 1 << 20

func (w *SealWorker) clearScratch() {
	clear(w.scratch)
	if cap(w.scratch) > maxScratch {
		w.scratch = nil
	}
}

// useKey makes the worker ready for a key.
func (w *SealWorker) useKey(key *kekcache.Key) error {
	w.tail, w.signature = w.tail[:0], nil
	if key.ByReference {
		w.sealer.records.keep(key)
	} else {
		var err error
		if w.tail, err = cms.AppendRecipients(w.tail, toRecipients(key.Recipients)); err != nil {
			return err
		}
		w.signature = key.Signature
	}
	w.templates = [formCount]*cms.Template{}
	w.key = key
	return nil
}

// makeTemplate lays out the template of a form.
func (w *SealWorker) makeTemplate(chunked, coded bool) *cms.Template {
	t := cms.NewTemplate(cms.Layout{
		ByReference: w.key.ByReference, Chunked: chunked, Coded: coded,
		Commitment: w.key.Commitment[:], Signature: w.signature,
	})
	w.templates[formOf(chunked, coded)] = t
	return t
}

func (w *SealWorker) sealSingle(
	dst, plaintext []byte, sealer *chunker.Sealer, t *cms.Template, b *cms.Binding,
) ([]byte, error) {
	start := len(dst)
	w.aad.SetTemplate(t, &w.position)
	aad := w.aad.Bytes(b, 0, true)
	dst = append(dst, t.Bytes()...)
	head := cms.AppendBytesHead(append(w.head[:0], t.AfterIV()...), len(plaintext)+chunker.TagSize)
	dst, err := sealer.Seal(dst, head, plaintext, aad)
	switch {
	case err != nil:
		return dst[:start], err
	case len(w.tail) == 0:
		return dst, nil
	}
	return append(dst, w.tail...), nil
}

func (w *SealWorker) sealChunked(
	dst, plaintext []byte, sealer *chunker.Sealer, t *cms.Template, b *cms.Binding,
) ([]byte, error) {
	start := len(dst)
	dst, err := appendChunkedHead(dst, t, w.key.ByReference, w.aad, &w.id, w.chunkSize)
	if err != nil {
		return dst[:start], err
	}
	for index := uint32(0); ; index++ {
		chunk := plaintext[:min(len(plaintext), w.chunkSize)]
		plaintext = plaintext[len(chunk):]
		final := len(plaintext) == 0
		if dst, err = appendSegment(dst, chunk, sealer, w.aad.Bytes(b, index, final)); err != nil {
			return dst[:start], err
		}
		if final {
			return append(cms.AppendBreak(dst), w.tail...), nil
		}
	}
}

// appendChunkedHead appends everything before the first segment, with a new
// message id, for which it uses the memory of id. The position has been set.
func appendChunkedHead(
	dst []byte, t *cms.Template, byReference bool, aad *cms.AAD, id *[cms.MessageIDSize]byte, chunkSize int,
) ([]byte, error) {
	if _, err := rand.Read(id[:]); err != nil {
		return dst, err
	}
	t.SetChunking(id[:], chunkSize)
	aad.SetHeader(byReference, t.Protected())
	return append(dst, t.Bytes()...), nil
}

// appendSegment appends one sealed chunk.
func appendSegment(dst, chunk []byte, sealer *chunker.Sealer, aad []byte) ([]byte, error) {
	dst = cms.AppendBytesHead(dst, cms.SegmentSize(len(chunk)))
	return sealer.Seal(dst, nil, chunk, aad)
}

// segmentRoom is the most bytes that one encoded segment of a chunk of n bytes
// takes.
func segmentRoom(n int) int { return n + chunker.Overhead + cms.BytesHeadSize(n+chunker.Overhead) }
