package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What kafka-go must keep for this package to work. These tests fail when it
// does not, and say what changed.

var (
	_ protocol.RawExchanger  = (*call)(nil)
	_ protocol.RawExchanger  = (*brokerCall)(nil)
	_ protocol.RawExchanger  = (*groupCall)(nil)
	_ protocol.BrokerMessage = (*brokerCall)(nil)
	_ protocol.GroupMessage  = (*groupCall)(nil)
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
	return &call{exchange: x, client: c, done: make(chan struct{}), spoken: -1}
}

func fetchExchange() *exchange {
	x := &exchange{api: protocol.Fetch, version: fetchVersion}
	(&FetchRequest{Partitions: []FetchPartition{{Topic: "orders"}}}).encode(&x.request)
	return x
}

func TestConnectionRunsTheHook(t *testing.T) {
	var seen []byte
	conn := protocol.NewConn(server(t, func(request []byte) []byte {
		seen = request
		return frame(request, []byte("body"))
	}), "other")
	conn.SetVersions(map[protocol.ApiKey]int16{protocol.Fetch: fetchVersion})
	for range 2 { // the connection is good for another
		call := newCall(New(&kafka.Transport{ClientID: "streamcrypt"}, nil), fetchExchange())
		if _, err := conn.RoundTrip(call); err != nil {
			t.Fatal("the connection did not use RawExchange:", err)
		}
		if call.spoken != fetchVersion {
			t.Error("Required was not told the negotiated versions:", call.spoken)
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
	conn := protocol.NewConn(server(t, func(request []byte) []byte {
		t.Error("a request was sent")
		return nil
	}), "")
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
			conn := protocol.NewConn(server(t, test.answer), "")
			conn.SetVersions(map[protocol.ApiKey]int16{protocol.Fetch: fetchVersion})
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
	conn := protocol.NewConn(server(t, func(request []byte) []byte {
		t.Errorf("sent %x", request)
		return nil
	}), "")
	conn.SetVersions(map[protocol.ApiKey]int16{protocol.Fetch: 10})
	call := newCall(New(&kafka.Transport{}, nil), fetchExchange())
	if _, err := conn.RoundTrip(call); err != nil {
		t.Error("the connection would be closed:", err)
	}
	old, ok := errors.AsType[*VersionError](call.err)
	if !ok || old.Has != 10 || old.Need != 11 {
		t.Error(call.err)
	}
}

func TestVersionsAreAskedOnTheConnection(t *testing.T) {
	for _, test := range []struct {
		most int16
		want int16
	}{{13, 10}, {10, 10}, {9, 9}, {8, 0}} {
		conn := protocol.NewConn(server(t, func(request []byte) []byte {
			if request[5] == byte(protocol.ApiVersions) {
				k := kmsg.NewPtrApiVersionsResponse()
				k.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 3, MinVersion: 0, MaxVersion: test.most}}
				return frame(request, k.AppendTo(nil))
			}
			if got := int16(binary.BigEndian.Uint16(request[6:])); got != test.want {
				t.Errorf("version %d, want %d", got, test.want)
			}
			return frame(request, []byte{0})
		}), "")
		x := &exchange{api: protocol.Metadata}
		x.prepare = prepareMetadata(x, []string{"orders"})
		call := newCall(New(&kafka.Transport{}, nil), x)
		if _, err := conn.RoundTrip(call); err != nil {
			t.Error(err)
		}
		if _, old := errors.AsType[*VersionError](call.err); old != (test.want == 0) {
			t.Errorf("most %d: %v", test.most, call.err)
		}
	}
}
