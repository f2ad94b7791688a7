package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// exchange is a request and its answer, and the memory of both.
type exchange struct {
	api     protocol.ApiKey
	version int16
	// request is the message behind its header. Inserts are bytes of others
	// that go between.
	request encoder
	inserts []insert
	// prepare, if not nil, chooses the version by those that the broker speaks
	// and encodes the request. It runs on the connection's goroutine.
	prepare func(peer *dial.Peer) error
	// release, if not nil, gives the memory back if the caller has left.
	release func()
	// interrupter, if not nil, may end the exchange.
	interrupter *Interrupter

	header []byte // scratch
	buffer []byte // of the answer, recycled
	body   []byte // the answer behind its header
}

type insert struct {
	at int // in request.b
	b  []byte
}

// insert puts b behind what is in the request, without a copy. It is read until
// the exchange is over.
func (x *exchange) insert(b []byte) {
	x.inserts = append(x.inserts, insert{at: len(x.request.b), b: b})
}

// run sends the request and reads the answer.
func (x *exchange) run(c *Client, rw io.ReadWriter) error {
	id := c.lastID.Add(1)
	if err := x.write(c, rw, id); err != nil {
		return err
	}
	return x.read(c, rw, id)
}

var (
	errLongName = errors.New("a name is longer than the protocol allows")
	errRequest  = errors.New("request too large")
)

func (x *exchange) write(c *Client, w io.Writer, id int32) error {
	h := encoder{b: append(x.header[:0], 0, 0, 0, 0)}
	h.int16(int16(x.api))
	h.int16(x.version)
	h.int32(id)
	h.nullable(c.transport.ClientID)
	h.flexible = x.request.flexible
	h.tags()
	size := len(h.b) - 4 + len(x.request.b)
	for i := range x.inserts {
		size += len(x.inserts[i].b)
	}
	if size > math.MaxInt32 {
		return errRequest
	}
	binary.BigEndian.PutUint32(h.b, uint32(size))
	if len(x.inserts) > 0 {
		x.header = h.b
		return x.writeInserts(c, w)
	}
	x.header = append(h.b, x.request.b...)
	_, err := w.Write(x.header)
	return err
}

// writeInserts gathers what is small and sends large batches from where they
// lie.
func (x *exchange) writeInserts(c *Client, w io.Writer) error {
	out, _ := c.writers.Get().(*bufio.Writer)
	if out == nil {
		out = bufio.NewWriterSize(nil, 64<<10)
	}
	defer func() {
		out.Reset(nil)
		c.writers.Put(out)
	}()
	out.Reset(w)
	// The writer remembers its first error, and Flush tells it.
	_, _ = out.Write(x.header)
	from := 0
	for _, in := range x.inserts {
		_, _ = out.Write(x.request.b[from:in.at])
		_, _ = out.Write(in.b)
		from = in.at
	}
	_, _ = out.Write(x.request.b[from:])
	return out.Flush()
}

// read reads the whole answer into the recycled buffer.
func (x *exchange) read(c *Client, r io.Reader, id int32) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint32(size[:]))
	if n > int64(c.MaxAnswer) {
		return fmt.Errorf("%w: %d bytes", ErrAnswerTooLarge, n)
	}
	if n > int64(cap(x.buffer)) {
		const step = 64 << 10 // so that answers of about one size share a buffer
		x.buffer = make([]byte, (n+step-1)/step*step)
	}
	x.buffer = x.buffer[:n]
	if _, err := io.ReadFull(r, x.buffer); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	d := decoder{b: x.buffer, flexible: x.request.flexible}
	if got := d.int32(); got != id && !d.bad {
		return fmt.Errorf("%w: it is to request %d instead of %d", ErrMalformed, got, id)
	}
	if d.tags(); d.bad {
		return ErrMalformed
	}
	x.body = d.b
	return nil
}
