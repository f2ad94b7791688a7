package file

import (
	"context"
	"errors"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Compressing takes longer than everything else together. A member stands
// alone, and so does a line, so each worker formats and compresses its own
// messages before their turn, and in their turn only bytes are written. The
// records of a seq depend on one another and are encoded in their turn.

const (
	// packedLimit is the most bytes of a member that is made before its turn.
	// It has room for a batch that cannot be compressed.
	packedLimit = 4 << 20
	// packedRecord is the largest message in it, in bytes: the line of one may
	// be six times as long, and a little more.
	packedRecord = 256 << 10
	// packedText is the most bytes of lines that wait for the encoder.
	packedText = flushSize + 7*packedRecord
)

// WorkMemory returns how many bytes a Sink takes at most for each worker.
func WorkMemory(kind members.Kind, records format.Format) int {
	if kind == members.None || !records.StandsAlone() {
		return 0
	}
	return kind.WriteMemory() + packedLimit + packedText
}

// packers are those that no worker uses. There are never more of them than
// workers.
type packers struct {
	mu   sync.Mutex
	free []*packer
}

func (p *packers) takePacker(s *Sink) *packer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.free) - 1; last >= 0 {
		one := p.free[last]
		p.free = p.free[:last]
		return one
	}
	one := &packer{
		enc: s.layout.NewEncoder(), text: make([]byte, 0, packedText), out: make([]byte, 0, packedLimit),
	}
	one.pack = members.NewWriter(s.opts.Compression, one)
	return one
}

func (p *packers) giveBack(one *packer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, one)
}

// packer makes members of messages.
type packer struct {
	enc  format.Encoder
	pack *members.Writer
	text []byte // that is not compressed yet; neither grows
	out  []byte // the member
}

// errPacked says that a member is larger than packedLimit.
var errPacked = errors.New("too much for a member that is made ahead")

// Write implements io.Writer: it takes the bytes of the member.
func (p *packer) Write(b []byte) (int, error) {
	if len(b) > packedLimit-len(p.out) {
		return 0, errPacked
	}
	p.out = append(p.out, b...)
	return len(b), nil
}

// packMessages makes a member of all messages, or of none.
func (p *packer) packMessages(msgs []pipeline.Message) error {
	p.text, p.out = p.text[:0], p.out[:0]
	for i := range msgs {
		var err error
		if p.text, err = p.enc.Append(p.text, &msgs[i]); err != nil {
			return err
		}
		if len(p.text) >= flushSize || i == len(msgs)-1 {
			if _, err := p.pack.Write(p.text); err != nil {
				return err
			}
			p.text = p.text[:0]
		}
	}
	return p.pack.EndMember()
}

// Prepare implements pipeline.Preparer.
func (w *writer) Prepare(msgs []pipeline.Message) pipeline.Prepared {
	s := w.sink
	if w.pack == nil || !s.opts.Format.StandsAlone() {
		return nil
	}
	for i := range msgs {
		m := &msgs[i]
		if m.Origin.Offset < w.written[m.Origin.Place] || isLong(m) {
			return nil
		}
	}
	p := s.packers.takePacker(s)
	if err := p.packMessages(msgs); err != nil { // Write finds it again
		p.pack.DropMember()
		s.packers.giveBack(p)
		return nil
	}
	return &packedPart{writer: w, packer: p}
}

// isLong tells whether a message is larger than packedRecord.
func isLong(m *pipeline.Message) bool {
	n := len(m.Key) + len(m.Value) + len(m.Subject)
	for _, h := range m.Headers {
		n += 8 + len(h.Name) + len(h.Value) // 8: brackets, quotation marks, base64
	}
	return n > packedRecord
}

// packedPart is a pipeline.Prepared.
type packedPart struct {
	writer *writer
	packer *packer
}

// Write implements pipeline.Prepared.
func (p *packedPart) Write(ctx context.Context, done *pipeline.Progress) error {
	w := p.writer
	if w.err == nil {
		w.err = w.appendMember(ctx, p.packer.out, done)
	}
	return w.markPassing(w.err)
}

// appendMember writes a member that is whole. No other one is open: each Write
// ends its own.
func (w *writer) appendMember(ctx context.Context, member []byte, done *pipeline.Progress) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.beginWriting(); err != nil {
		return err
	}
	if _, err := w.writeOut(member); err != nil {
		return err
	}
	return w.finishWrite(ctx, true, done)
}

// Release implements pipeline.Prepared.
func (p *packedPart) Release() { p.writer.sink.packers.giveBack(p.packer) }
