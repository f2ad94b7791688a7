package envelope

import (
	"context"
	"io"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Reader opens a payload of any length while it is read. It hands out only
// bytes of chunks that have verified, and io.EOF only after the final chunk
// has. After an error in the middle, the bytes that were read before are a
// verified beginning of the payload and no more. A Reader is for one goroutine.
type Reader struct {
	ctx context.Context //nolint:containedctx // an io.Reader has no other way to hear of its end
	o   *Opener
	in  input
	b   Binding // ours alone

	worker *OpenWorker // opens envelopes in memory
	chunks chunks      // of a chunked envelope

	begun   bool
	coding  *coding.Coding // nil where nothing is coded; known after the first segment
	decoder io.ReadCloser  // of a coded payload; nil until begun
	done    error          // ends it

	at     int64 // how much of the input has been taken; with a tail only
	tailAt int64 // where the segments' break must stand, if tail
	tail   bool  // recipients follow the segments; they have been read already

	opened bool
	final  bool   // the final chunk has verified
	ready  []byte // verified, coded payload not handed out yet; aliases in
	base   int64  // where the envelope begins in the input, if that has such places
	last   int64  // and where it ends; otherwise 0
	err    error
}

// chunks opens the segments of an envelope.
type chunks struct {
	key          *kekcache.OpenedKey
	bound        *cms.Binding
	dictionaries []*coding.Dictionary // of which the envelope may name one
	header       cms.Header           // without its slices
	index        uint32
	bytes        int64  // of coded payload so far
	copy         []byte // of a segment that is tried again
}

// NewReader returns a Reader of the raw form of docs/envelope.md, section 9.
// Its memory is a chunk and a little more, and a window of up to 8 MiB where
// the payload is compressed, with one exception: a long self-contained envelope
// that Seal made has its recipients at the end. If r is an io.ReaderAt and
// io.Seeker they are read first; otherwise such an envelope is held in memory,
// up to MaxBuffered bytes.
func (o *Opener) NewReader(ctx context.Context, r io.Reader, b Binding) *Reader {
	return &Reader{ctx: ctx, o: o, in: input{r: r}, b: copyBinding(b), worker: o.NewWorker()}
}

// MaxBuffered is the largest long self-contained envelope that is read where
// its end cannot be read first, in bytes.
const MaxBuffered = 16 << 20

// Read hands out verified bytes.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.begin(); err != nil {
		return 0, err
	}
	if r.decoder != nil {
		return r.readDecoded(p)
	}
	if err := r.makeReady(); err != nil {
		return 0, err
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// WriteTo writes all chunks to w, each as soon as it has verified. io.Copy uses
// it.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	if err := r.begin(); err != nil && err != io.EOF {
		return 0, err
	}
	if r.decoder != nil {
		return io.CopyBuffer(w, decoded{r}, make([]byte, readAhead))
	}
	for {
		if err := r.makeReady(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		written, err := w.Write(r.ready)
		n += int64(written)
		r.ready = r.ready[written:]
		if err != nil {
			return n, err
		}
	}
}

// begin opens the envelope, and its first segment. Afterwards it is known
// whether the payload is coded.
func (r *Reader) begin() error {
	if r.begun {
		return nil
	}
	if err := r.makeReady(); err != nil && (err != io.EOF || r.coding == nil) {
		return err
	}
	if r.coding != nil {
		var err error
		if r.decoder, err = coding.NewReader(verified{r}, *r.coding, r.o.o.MaxPayload); err != nil {
			return err
		}
	}
	r.begun = true
	return nil
}

// verified reads the coded payload of a Reader.
type verified struct{ r *Reader }

func (v verified) Read(p []byte) (int, error) {
	if err := v.r.makeReady(); err != nil {
		return 0, err
	}
	n := copy(p, v.r.ready)
	v.r.ready = v.r.ready[n:]
	return n, nil
}

// decoded reads the payload of a Reader, and has no other method.
type decoded struct{ r *Reader }

func (d decoded) Read(p []byte) (int, error) { return d.r.readDecoded(p) }

// readDecoded hands out payload that was coded.
func (r *Reader) readDecoded(p []byte) (int, error) {
	if r.done != nil {
		return 0, r.done
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.decoder.Read(p)
	if err != nil {
		if err != io.EOF {
			err = refuse(err)
		}
		r.done = err
		_ = r.decoder.Close()
	}
	return n, err
}

// makeReady makes at least one verified byte ready, or returns io.EOF or the
// error that ends the payload.
func (r *Reader) makeReady() error {
	for r.err == nil && len(r.ready) == 0 {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		switch {
		case !r.opened:
			r.err = r.open()
			r.opened = true
		case r.final:
			r.err = io.EOF
		default:
			r.err = r.openSegment()
		}
	}
	if len(r.ready) > 0 {
		return nil
	}
	return r.err
}

// openSegment reads, verifies and makes ready one segment.
func (r *Reader) openSegment() error {
	p, err := r.in.readSegment(r.chunks.header.ChunkSize, r.chunks.index)
	if err != nil {
		return err
	}
	if err := r.checkEnd(&p); err != nil {
		return err
	}
	plain, err := r.openChunk(p.b[p.head:], p.final)
	if err != nil {
		return refuse(err)
	}
	r.in.skip(len(p.b))
	r.at += int64(len(p.b))
	r.chunks.index++
	r.final = p.final
	r.ready = plain
	return nil
}

// checkEnd refuses a final segment which does not stand where the envelope
// ends.
func (r *Reader) checkEnd(p *piece) error {
	if p.final && (p.tail != r.tail || r.tail && r.at+int64(len(p.b)) != r.tailAt) {
		return refuse(errTrailing)
	}
	return nil
}

// openChunk opens a segment in its memory. With the first one it learns which
// dictionary was meant.
func (r *Reader) openChunk(segment []byte, final bool) ([]byte, error) {
	c := &r.chunks
	if c.index > 0 {
		return r.decryptChunk(segment, final)
	}
	plain, dictionary, err := r.openFirstChunk(segment, final)
	if err == nil {
		err = r.o.checkTimes(c.header.Position.Created)
	}
	if err != nil {
		return nil, err
	}
	if c.header.Coded {
		coding := codingOf(&c.header.Coding, dictionary)
		r.coding = &coding
	}
	return plain, nil
}

func (r *Reader) openFirstChunk(segment []byte, final bool) (plain []byte, d *coding.Dictionary, err error) {
	c := &r.chunks
	if len(c.dictionaries) == 0 {
		plain, err = r.decryptChunk(segment, final)
		return plain, nil, err
	}
	for _, d := range c.dictionaries {
		hash := d.Sum()
		c.bound.Dictionary = hash[:]
		c.copy = append(c.copy[:0], segment...) // a tag that does not verify costs the ciphertext
		if plain, err = r.decryptChunk(c.copy, final); err == nil {
			return plain, d, nil
		}
	}
	return nil, nil, err
}

func (r *Reader) decryptChunk(segment []byte, final bool) ([]byte, error) {
	c := &r.chunks
	iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
	plain, err := c.key.Open(ciphertext[:0], iv, ciphertext, r.worker.aad.Bytes(c.bound, c.index, final))
	if err != nil {
		return nil, tamperedError(c.index, true)
	}
	c.bytes += int64(len(plain))
	if limit := r.o.o.MaxPayload; limit > 0 && !c.header.Coded && c.bytes > limit {
		clear(plain)
		return nil, errTooLarge(limit)
	}
	return plain, nil
}
