package dial

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxAnswer is more than any answer of a new connection needs, in bytes.
const maxAnswer = 1 << 20

// exchanger sends the requests of a new connection, one after the other. None
// of them or their answers has tagged fields in its header.
type exchanger struct {
	conn     io.ReadWriter
	clientID string
	id       int32 // of the last request
	buffer   []byte
}

// exchange sends a request and returns the answer behind its header. The answer
// is valid until the next exchange.
func (x *exchanger) exchange(req kmsg.Request) ([]byte, error) {
	x.id++
	b := append(x.buffer[:0], 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(req.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(req.GetVersion()))
	b = binary.BigEndian.AppendUint32(b, uint32(x.id))
	b = binary.BigEndian.AppendUint16(b, uint16(len(x.clientID)))
	b = append(b, x.clientID...)
	if req.IsFlexible() {
		b = append(b, 0)
	}
	b = req.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	x.buffer = b
	_, err := x.conn.Write(b)
	clear(b) // it may hold a password
	if err != nil {
		return nil, err
	}
	return x.readAnswer()
}

func (x *exchanger) readAnswer() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(x.conn, head[:4]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	switch {
	case head[0] == 0x15 && head[1] == 3: // a TLS record that holds an alert
		return nil, &RefusedError{Cause: ErrNeedsTLS}
	case size < 4 || size > maxAnswer:
		return nil, fmt.Errorf("%w: an answer of %d bytes", ErrMalformed, size)
	}
	if _, err := io.ReadFull(x.conn, head[4:]); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != x.id {
		return nil, fmt.Errorf("%w: it is to request %d instead of %d", ErrMalformed, got, x.id)
	}
	n := int(size) - 4
	if cap(x.buffer) < n {
		x.buffer = make([]byte, n)
	}
	x.buffer = x.buffer[:n]
	_, err := io.ReadFull(x.conn, x.buffer)
	return x.buffer, err
}
