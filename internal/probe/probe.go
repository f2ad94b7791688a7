// Package probe finds out which protocol a server speaks, so that the advice
// about a failed connection names the cause: the wrong port, the wrong scheme,
// or TLS on one side only. It is asked after a client has failed, and sends a
// greeting of each protocol to the address that the user has named, nothing
// else: no name, no password, no certificate.
//
// The package must not know who asks, nor decide whether to try again.
package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"
)

// Protocol is a protocol that a server speaks.
type Protocol string

// The protocols.
const (
	Unknown Protocol = ""
	NATS    Protocol = "NATS"
	Kafka   Protocol = "Kafka"
	HTTP    Protocol = "HTTP"
	Other   Protocol = "another protocol" // the server speaks first, and none of these
)

// Answer is everything that a server has told about itself.
type Answer struct {
	Reached  bool // there is a server
	Protocol Protocol
	TLS      bool // the protocol is spoken over TLS
}

const (
	stepTime  = time.Second            // for each connection
	firstWord = 300 * time.Millisecond // how long a server that speaks first may take for it
	answerMax = 4 << 10
)

// Identify asks a server, HOST:PORT. It takes some seconds at most.
func Identify(ctx context.Context, server string) Answer {
	a := Answer{}
	steps := []func(context.Context, string, *Answer){hearGreeting, tryTLS, tryKafka, tryHTTP}
	for _, step := range steps {
		if step(ctx, server, &a); a.Protocol != Unknown || !a.Reached {
			return a
		}
	}
	return a
}

// dialServer opens a connection that is closed when ctx ends, over TLS if the
// server is known to want it.
func dialServer(ctx context.Context, server string, overTLS bool) (net.Conn, error) {
	deadline := time.Now().Add(stepTime)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if !overTLS {
		return conn, nil
	}
	// Nothing is said over this connection that anybody could not read: only
	// whether it can be made matters.
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // see above
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// hearGreeting waits for a server that speaks first.
func hearGreeting(ctx context.Context, server string, a *Answer) {
	conn, err := dialServer(ctx, server, false)
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	a.Reached = true
	a.readGreeting(conn)
}

// readGreeting reads the first word of a server, if it has one.
func (a *Answer) readGreeting(conn net.Conn) {
	if conn.SetReadDeadline(time.Now().Add(firstWord)) != nil {
		return
	}
	buf := make([]byte, answerMax)
	n, err := conn.Read(buf)
	if n == 0 || err != nil {
		return
	}
	info, isNATS := bytes.CutPrefix(buf[:n], []byte("INFO "))
	switch {
	case isNATS:
		a.Protocol = NATS
		var fields struct {
			Required bool `json:"tls_required"`
		}
		if json.NewDecoder(bytes.NewReader(info)).Decode(&fields) == nil && fields.Required {
			a.TLS = true
		}
	case bytes.HasPrefix(buf, []byte("HTTP/")):
		a.Protocol = HTTP
	default:
		a.Protocol = Other
	}
}

// tryTLS finds out whether the server speaks TLS.
func tryTLS(ctx context.Context, server string, a *Answer) {
	conn, err := dialServer(ctx, server, true)
	if err == nil {
		defer conn.Close() //nolint:errcheck // nothing was written
		a.TLS = true
		a.readGreeting(conn)
		return
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(record.RecordHeader[:]) == "HTTP/" {
		a.Protocol = HTTP
		return
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		a.TLS = true // it does not like our handshake, so it has one
	}
}

// apiVersions is the request with which a client of Kafka begins: length, key
// 18, version 0, a number, and no name.
var apiVersions = []byte{0, 0, 0, 10, 0, 18, 0, 0, 's', 'c', 'p', 'b', 0xff, 0xff}

// tryKafka finds out whether the server answers a client of Kafka.
func tryKafka(ctx context.Context, server string, a *Answer) {
	answer := askServer(ctx, server, a.TLS, apiVersions, 8)
	if len(answer) == 8 && binary.BigEndian.Uint32(answer) < 1<<20 && bytes.Equal(answer[4:], apiVersions[8:12]) {
		a.Protocol = Kafka
	}
}

// tryHTTP finds out whether the server answers a browser.
func tryHTTP(ctx context.Context, server string, a *Answer) {
	if string(askServer(ctx, server, a.TLS, []byte("GET / HTTP/1.0\r\n\r\n"), 5)) == "HTTP/" {
		a.Protocol = HTTP
	}
}

// askServer sends a request and returns the first bytes of the answer, nil if
// there is none.
func askServer(ctx context.Context, server string, overTLS bool, request []byte, size int) []byte {
	conn, err := dialServer(ctx, server, overTLS)
	if err != nil {
		return nil
	}
	defer conn.Close() //nolint:errcheck // it is read from only
	answer := make([]byte, size)
	if _, err := conn.Write(request); err != nil {
		return nil
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil
	}
	return answer
}
