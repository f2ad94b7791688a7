package dial

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// broker answers the requests of connections in this process.
type broker struct {
	// mechanisms are those that it has; none means a port without SASL.
	mechanisms []string
	// check judges what a client says of itself.
	check func(round int, said []byte) *kmsg.SASLAuthenticateResponse
	// features are finalized.
	features map[string]int16

	mu       sync.Mutex
	dials    int
	requests []int16 // by key, in order
	running  sync.WaitGroup
}

// dial is for Options.Dial.
func (b *broker) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	b.mu.Lock()
	b.dials++
	b.mu.Unlock()
	b.running.Go(func() {
		defer server.Close()
		b.serve(server)
	})
	return client, nil
}

func (b *broker) serve(c net.Conn) {
	rounds := 0
	for {
		message, err := readMessage(c)
		if err != nil {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(message)), int16(binary.BigEndian.Uint16(message[2:]))
		b.mu.Lock()
		b.requests = append(b.requests, key)
		b.mu.Unlock()
		id, body := message[4:8], message[8:]
		body = body[2+int(binary.BigEndian.Uint16(body)):] // the client's id
		var res kmsg.Response
		switch key {
		case 18:
			res = b.versions()
		case 17:
			req := kmsg.NewPtrSASLHandshakeRequest()
			if req.Version = version; req.ReadFrom(body) != nil {
				return
			}
			res, rounds = b.handshake(req.Mechanism), 0
		case 36:
			req := kmsg.NewPtrSASLAuthenticateRequest()
			if req.Version = version; req.ReadFrom(body) != nil {
				return
			}
			res = b.check(rounds, req.SASLAuthBytes)
			rounds++
		default: // an echo
			if write(c, id, body) != nil {
				return
			}
			continue
		}
		res.SetVersion(version)
		if write(c, id, res.AppendTo(nil)) != nil {
			return
		}
	}
}

func (b *broker) versions() *kmsg.ApiVersionsResponse {
	res := kmsg.NewPtrApiVersionsResponse()
	res.ApiKeys = []kmsg.ApiVersionsResponseApiKey{
		{ApiKey: 17, MaxVersion: 1}, {ApiKey: 18, MaxVersion: 4}, {ApiKey: 36, MaxVersion: 2},
	}
	for name, level := range b.features {
		f := kmsg.NewApiVersionsResponseFinalizedFeature()
		f.Name, f.MinVersionLevel, f.MaxVersionLevel = name, level, level
		res.FinalizedFeatures = append(res.FinalizedFeatures, f)
	}
	return res
}

func (b *broker) handshake(mechanism string) *kmsg.SASLHandshakeResponse {
	res := kmsg.NewPtrSASLHandshakeResponse()
	res.SupportedMechanisms = b.mechanisms
	res.ErrorCode = errUnsupportedMechanism
	if len(b.mechanisms) == 0 {
		res.ErrorCode = errIllegalState
	}
	for _, m := range b.mechanisms {
		if m == mechanism {
			res.ErrorCode = 0
		}
	}
	return res
}

// count counts the requests with a key.
func (b *broker) count(key int16) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.requests {
		if k == key {
			n++
		}
	}
	return n
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func write(w io.Writer, id, body []byte) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
	_, err := w.Write(append(append(b, id...), body...))
	return err
}

// accept takes everything for proved, for a time.
func accept(lifetimeMillis int64) func(int, []byte) *kmsg.SASLAuthenticateResponse {
	return func(int, []byte) *kmsg.SASLAuthenticateResponse {
		res := kmsg.NewPtrSASLAuthenticateResponse()
		res.SessionLifetimeMillis = lifetimeMillis
		return res
	}
}

func refuse(text string) *kmsg.SASLAuthenticateResponse {
	res := kmsg.NewPtrSASLAuthenticateResponse()
	res.ErrorCode, res.ErrorMessage = 58, &text
	return res
}

// ask sends a request on an open connection, in two writes, and reads the echo.
func ask(t *testing.T, c net.Conn, text string) error {
	t.Helper()
	b := binary.BigEndian.AppendUint32(nil, uint32(10+len(text)))
	b = append(b, 0, 1, 0, 11, 0, 0, 0, 7, 0, 0)
	if _, err := c.Write(b); err != nil {
		return err
	}
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	answer, err := readMessage(c)
	if err == nil && string(answer[4:]) != text {
		t.Errorf("got %q, sent %q", answer[4:], text)
	}
	return err
}
