package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// What kafka-go must keep for this package to work. These tests fail when it
// does not, and say what changed.

var (
	_ protocol.RawExchanger  = (*call)(nil)
	_ protocol.RawExchanger  = (*brokerCall)(nil)
	_ protocol.BrokerMessage = (*brokerCall)(nil)
)

// server answers what comes on a connection.
func server(t *testing.T, answer func(request []byte) []byte) net.Conn {
	t.Helper()
	client, broker := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			request, err := readMessage(broker)
			if err != nil {
				return
			}
			if b := answer(request); b == nil {
				_ = broker.Close()
			} else if _, err := broker.Write(b); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = client.Close()
		_ = broker.Close()
		<-done
	})
	return client
}

// frame is an answer with the request's number.
func frame(request []byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
	b = append(b, request[8:12]...)
	return append(b, body...)
}

func newCall(c *Client, x *exchange) *call {
	return &call{exchange: x, client: c, done: make(chan struct{})}
}

// connectTo returns a connection to a broker that speaks a request up to a
// version and answers in a way of its own.
func connectTo(t *testing.T, api protocol.ApiKey, most int16, answer func(request []byte) []byte) *protocol.Conn {
	t.Helper()
	pipe := server(t, func(request []byte) []byte {
		if request[5] != byte(protocol.ApiVersions) {
			return answer(request)
		}
		k := kmsg.NewPtrApiVersionsResponse()
		k.Version = int16(binary.BigEndian.Uint16(request[6:]))
		k.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: int16(api), MaxVersion: most}}
		return frame(request, k.AppendTo(nil))
	})
	d := dial.New(dial.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return pipe, nil }})
	c, err := d.DialContext(t.Context(), "tcp", "broker:9092")
	if err != nil {
		t.Fatal(err)
	}
	return protocol.NewConn(c, "other")
}

func fetchExchange() *exchange {
	x := &exchange{api: protocol.Fetch, version: fetchVersion}
	(&FetchRequest{Partitions: []FetchPartition{{Topic: "orders"}}}).encode(&x.request)
	return x
}

func TestConnectionRunsTheHook(t *testing.T) {
	var seen []byte
	conn := connectTo(t, protocol.Fetch, fetchVersion, func(request []byte) []byte {
		seen = request
		return frame(request, []byte("body"))
	})
	for range 2 { // the connection is good for another
		call := newCall(New(&kafka.Transport{ClientID: "streamcrypt"}, nil), fetchExchange())
		if _, err := conn.RoundTrip(call); err != nil {
			t.Fatal("the connection did not use RawExchange:", err)
		}
		if !bytes.Contains(seen, []byte("streamcrypt")) || call.err != nil || string(call.body) != "body" {
			t.Errorf("sent %x, got %q, %v", seen, call.body, call.err)
		}
		if call.abandon() {
			t.Error("a call that is over was abandoned")
		}
	}
}

// A call that was abandoned does nothing when its turn comes: its memory is
// another's.
func TestAbandonedCallDoesNothing(t *testing.T) {
	conn := connectTo(t, protocol.Fetch, fetchVersion, func([]byte) []byte {
		t.Error("a request was sent")
		return nil
	})
	x := fetchExchange()
	x.release = func() { t.Error("released") }
	call := newCall(New(&kafka.Transport{}, nil), x)
	if !call.abandon() {
		t.Fatal("could not abandon")
	}
	if _, err := conn.RoundTrip(call); err != nil {
		t.Error("the connection would be closed:", err)
	}
}

// Answers that do not fit their request close the connection, whose next answer
// would be anybody's.
func TestBadAnswers(t *testing.T) {
	tests := map[string]struct {
		answer func(request []byte) []byte
		want   error
	}{
		"another number":   {func(r []byte) []byte { b := frame(r, nil); b[7]++; return b }, ErrMalformed},
		"no number":        {func([]byte) []byte { return []byte{0, 0, 0, 2, 0, 0} }, ErrMalformed},
		"too large":        {func([]byte) []byte { return []byte{0, 16, 0, 1} }, ErrAnswerTooLarge},
		"negative size":    {func([]byte) []byte { return []byte{0xff, 0xff, 0xff, 0xff} }, ErrAnswerTooLarge},
		"HTTP":             {func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request") }, ErrAnswerTooLarge},
		"connection ends":  {func([]byte) []byte { return nil }, io.EOF},
		"API not answered": {func(r []byte) []byte { return nil }, io.EOF},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			conn := connectTo(t, protocol.Fetch, fetchVersion, test.answer)
			c := New(&kafka.Transport{}, nil)
			c.MaxAnswer = 1 << 20
			call := newCall(c, fetchExchange())
			if _, err := conn.RoundTrip(call); !errors.Is(err, test.want) || !errors.Is(call.err, test.want) {
				t.Errorf("%v and %v, want %v", err, call.err, test.want)
			}
		})
	}
}

// An old broker is refused before anything is sent, and the connection stays.
func TestOldBroker(t *testing.T) {
	conn := connectTo(t, protocol.Fetch, 10, func(request []byte) []byte {
		t.Errorf("sent %x", request)
		return nil
	})
	call := newCall(New(&kafka.Transport{}, nil), fetchExchange())
	if _, err := conn.RoundTrip(call); err != nil {
		t.Error("the connection would be closed:", err)
	}
	old, ok := errors.AsType[*VersionError](call.err)
	if !ok || old.Has != 10 || old.Need != 11 {
		t.Error(call.err)
	}
}

// A connection that does not tell the versions of its broker is of no use.
func TestForeignConnection(t *testing.T) {
	conn := protocol.NewConn(server(t, func([]byte) []byte { return nil }), "")
	call := newCall(New(&kafka.Transport{}, nil), fetchExchange())
	if _, err := conn.RoundTrip(call); !errors.Is(err, errNoPeer) || !errors.Is(call.err, errNoPeer) {
		t.Error(err, call.err)
	}
}

func TestVersionsAreThoseOfTheConnection(t *testing.T) {
	for _, test := range []struct {
		most int16
		want int16
	}{{13, 10}, {10, 10}, {9, 9}, {8, 0}} {
		conn := connectTo(t, protocol.Metadata, test.most, func(request []byte) []byte {
			if got := int16(binary.BigEndian.Uint16(request[6:])); got != test.want {
				t.Errorf("version %d, want %d", got, test.want)
			}
			return frame(request, []byte{0})
		})
		x := &exchange{api: protocol.Metadata}
		x.prepare = prepareMetadata(x, func(e *encoder, v int16) { encodeMetadata(e, v, []string{"orders"}) })
		call := newCall(New(&kafka.Transport{}, nil), x)
		if _, err := conn.RoundTrip(call); err != nil {
			t.Error(err)
		}
		if _, old := errors.AsType[*VersionError](call.err); old != (test.want == 0) {
			t.Errorf("most %d: %v", test.most, call.err)
		}
	}
}
