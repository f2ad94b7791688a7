package envelope

import (
	"cmp"
	"context"
	"slices"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// OpenWorker opens messages on one goroutine. It has its memory to itself,
// keeps the data key of the message before, and allocates nothing for a
// message. It is not safe for concurrent use.
type OpenWorker struct {
	// Place names where the next messages are read from, such as a partition.
	// If too many of a place cannot be unwrapped by a key service, the place
	// waits, and no other.
	Place string

	opener  *Opener
	binder  binder
	aad     *cms.AAD     // of the context
	records *cms.AAD     // of the key context
	recent  [4]recentKey // the one before is the first

	// Of the envelope that is opened:
	e            *cms.Envelope        // parsed, or that of a recentKey
	key          *kekcache.OpenedKey  // nil: not found yet
	dictionaries []*coding.Dictionary // of which it may name one
	bound        *cms.Binding         // in the binder's memory
	extra        int

	parsed  cms.Envelope
	head    cms.Header      // of MaxSize
	decoder *coding.Decoder // nil before the first coded payload
	hash    [cms.DictionarySize]byte
	coded   []byte // a coded payload
	scratch []byte // a copy of an envelope over which the plaintext is written
}

// NewWorker returns an OpenWorker for one goroutine.
func (o *Opener) NewWorker() *OpenWorker {
	return &OpenWorker{
		opener: o, binder: newBinder(o.o.Bind),
		aad: cms.NewAAD([]byte(o.o.Context)), records: cms.NewAAD([]byte(o.o.KeyContext)),
	}
}

// Open is Opener.Open and returns the rest that the envelope says, which the
// tag covers. A nil b is the zero Binding.
func (w *OpenWorker) Open(ctx context.Context, dst, e []byte, b *Binding) (out []byte, opened Opened, err error) {
	if out, err = w.openEnvelope(ctx, dst, e, b); err != nil {
		return dst, Opened{}, refuse(err)
	}
	decodePosition(&opened.Position, &w.e.Position)
	opened.Bound, opened.Extra = int(w.e.Position.Bound), w.extra
	opened.Named, opened.Vouched = w.e.Position.Form&cms.FormNamed != 0, w.key.Vouched
	return out, opened, nil
}

// MaxSize is the most bytes that Open appends for an envelope. It opens
// nothing.
func (w *OpenWorker) MaxSize(e []byte) int {
	if _, ok := cms.ParseHead(e, &w.head); ok && w.head.Coded && w.head.Coding.Compression != 0 {
		return int(w.payloadLimit())
	}
	return len(e)
}

// openEnvelope makes the checks in the order of docs/envelope.md, section 10.
func (w *OpenWorker) openEnvelope(ctx context.Context, dst, e []byte, b *Binding) ([]byte, error) {
	if b == nil {
		b = &Binding{}
	}
	if err := w.parse(e, b.Kind); err != nil {
		return dst, err
	}
	if !areApart(dst, e) {
		inPlace, err := overlaps(dst, e, max(len(e), w.maxPayload()))
		if err != nil {
			return dst, err
		}
		if inPlace {
			return w.openInPlace(ctx, dst, e, b)
		}
	}
	if err := w.prepare(ctx, e, b); err != nil {
		return dst, err
	}
	if w.e.Coded {
		return w.openDecoded(dst, b.Kind)
	}
	out, err := w.decrypt(dst)
	if err != nil {
		return dst, err
	}
	if err = w.opener.checkTimes(w.e.Position.Created); err == nil {
		err = w.checkPayload(out[len(dst):], b.Kind)
	}
	if err != nil {
		clear(out[len(dst):])
		return dst, err
	}
	return out, nil
}

// parse makes the checks 1 to 7. Of an envelope that is alike to one of the
// last ones it also finds the key.
func (w *OpenWorker) parse(e []byte, kind Kind) error {
	if w.readAlike(e) {
		if kind == Value {
			return nil
		}
	} else {
		w.e, w.key = &w.parsed, nil
		if err := cms.Parse(e, w.e); err != nil {
			return err
		}
	}
	if err := w.e.CheckKind(kind); err != nil {
		return w.firstError(err)
	}
	return nil
}

// prepare makes the checks 8 to 11, and that of the number of headers.
func (w *OpenWorker) prepare(ctx context.Context, e []byte, b *Binding) (err error) {
	if w.key == nil {
		if w.key, err = w.findKey(ctx, e, w.e); err != nil {
			return err
		}
	}
	if w.e.Coded {
		w.dictionaries, err = w.findDictionaries(ctx, &w.e.Header)
	} else if w.dictionaries != nil {
		w.dictionaries = nil
	}
	if err != nil {
		return err
	}
	w.bound, w.extra, err = w.binder.bindOpening(b, &w.e.Position)
	if err == nil && w.extra > 0 && !w.opener.o.ExtraHeaders {
		err = errExtraHeaders
	}
	return err
}

// openCoded opens an envelope for a stream: it returns the coded payload, in
// memory of w, and how it is coded; c is nil if it is not.
func (w *OpenWorker) openCoded(ctx context.Context, e []byte, b *Binding) (payload []byte, c *coding.Coding,
	err error) {
	if err := w.parse(e, b.Kind); err != nil {
		return nil, nil, err
	}
	if err := w.prepare(ctx, e, b); err != nil {
		return nil, nil, err
	}
	payload, dictionary, err := w.decryptCoded()
	if err == nil {
		err = w.opener.checkTimes(w.e.Position.Created)
	}
	if err == nil && !w.e.Coded {
		err = w.checkPayload(payload, b.Kind)
	}
	if err != nil {
		clear(payload)
		return nil, nil, err
	}
	if w.e.Coded {
		coding := codingOf(&w.e.Coding, dictionary)
		c = &coding
	}
	return payload, c, nil
}

var errExtraHeaders = tampered("headers that were not sealed")

// firstError returns err, unless the recipients, which have not been looked at
// yet, have a fault: it comes first.
func (w *OpenWorker) firstError(err error) error {
	if w.e.ByReference {
		return err
	}
	if _, fault := cms.ParseRecipients(w.e.Recipients, nil); fault != nil {
		return fault
	}
	return err
}

// maxPayload is how many bytes may be appended for a compressed payload.
func (w *OpenWorker) maxPayload() int {
	if !w.e.Coded || w.e.Coding.Compression == 0 {
		return 0
	}
	return int(w.payloadLimit())
}

// payloadLimit is the most bytes of a compressed payload. It is the same for
// all messages.
func (w *OpenWorker) payloadLimit() int64 {
	limit := cmp.Or(w.opener.o.MaxPayload, DefaultMaxPayload)
	if most := w.opener.o.MaxInflated; most > 0 {
		return min(limit, most)
	}
	return limit
}

// openDecoded verifies the ciphertext of a coded payload and decodes it.
func (w *OpenWorker) openDecoded(dst []byte, kind Kind) ([]byte, error) {
	coded, dictionary, err := w.decryptCoded()
	defer clear(coded)
	if err != nil {
		return dst, err
	}
	if err := w.opener.checkTimes(w.e.Position.Created); err != nil {
		return dst, err
	}
	if w.decoder == nil {
		w.decoder = coding.NewDecoder(w.payloadLimit())
	}
	out, err := w.decoder.Append(dst, coded, codingOf(&w.e.Coding, dictionary))
	if err == nil {
		err = w.checkPayload(out[len(dst):], kind)
	}
	if err != nil {
		clear(out[len(dst):])
		return dst, err
	}
	return out, nil
}

func codingOf(c *cms.Coding, dictionary *coding.Dictionary) coding.Coding {
	return coding.Coding{
		Compressed: c.Compression == cms.CompressionZstd, Padded: c.Padding == cms.PaddingMark, Dictionary: dictionary,
	}
}

// decryptCoded returns the coded payload, in memory of w, and the dictionary
// that the tag is over. There may be several with one hint.
func (w *OpenWorker) decryptCoded() (coded []byte, dictionary *coding.Dictionary, err error) {
	if len(w.dictionaries) == 0 {
		coded, err = w.decrypt(w.coded[:0])
		w.coded = coded[:0]
		return coded, nil, err
	}
	for _, dictionary = range w.dictionaries {
		w.hash = dictionary.Sum()
		w.bound.Dictionary = w.hash[:]
		coded, err = w.decrypt(w.coded[:0])
		w.coded = coded[:0]
		if err == nil {
			return coded, dictionary, nil
		}
	}
	return nil, nil, err
}

// decrypt appends the coded payload to dst.
func (w *OpenWorker) decrypt(dst []byte) ([]byte, error) {
	aad := w.aad
	if kind := w.bound.Kind; kind == KeyRecord || kind == DictionaryRecord {
		aad = w.records
	}
	aad.SetHeader(w.e.ByReference, w.e.Protected)
	if w.e.Chunked {
		return w.decryptSegments(dst, aad)
	}
	out, err := w.key.Open(dst, w.e.IV, w.e.Ciphertext, aad.Bytes(w.bound, 0, true))
	if err != nil {
		return dst, tamperedError(0, false)
	}
	return out, nil
}

func (w *OpenWorker) decryptSegments(dst []byte, aad *cms.AAD) ([]byte, error) {
	// With room for all of them no chunk is left in an array that was too
	// small.
	out := slices.Grow(dst, plaintextSize(w.e.Segments))
	for index, segments := uint32(0), w.e.Segments; len(segments) > 0; index++ {
		var segment []byte
		segment, segments = segments.Next()
		iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
		var err error
		if out, err = w.key.Open(out, iv, ciphertext, aad.Bytes(w.bound, index, len(segments) == 0)); err != nil {
			clear(out[len(dst):])
			return dst, tamperedError(index, true)
		}
	}
	return out, nil
}

// plaintextSize is how many bytes segments hold when they are opened.
func plaintextSize(segments cms.Segments) (n int) {
	for len(segments) > 0 {
		var segment []byte
		segment, segments = segments.Next()
		n += len(segment) - chunker.Overhead
	}
	return n
}

// checkPayload makes the checks 16 and 17.
func (w *OpenWorker) checkPayload(payload []byte, kind Kind) error {
	switch kind {
	case Value:
		if limit := w.opener.o.MaxPayload; limit > 0 && int64(len(payload)) > limit {
			return errTooLarge(limit)
		}
	case Tombstone, KeyRecord:
		if len(payload) > 0 {
			return errPayload
		}
	case EndOfArchive:
		if len(payload) != EndSize && len(payload) != SignedEndSize {
			return errEndSize
		}
	case DictionaryRecord:
		if _, err := coding.ParseDictionary(payload); err != nil {
			return errNotDictionary
		}
	}
	return nil
}

// openInPlace opens a copy of an envelope that begins where dst ends. The
// plaintext is written over the original.
func (w *OpenWorker) openInPlace(ctx context.Context, dst, e []byte, b *Binding) ([]byte, error) {
	w.scratch = append(w.scratch[:0], e...)
	out, err := w.openEnvelope(ctx, dst, w.scratch, b)
	if cap(w.scratch) > maxScratch {
		w.scratch = nil
	}
	return out, err
}
