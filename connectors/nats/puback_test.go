package nats

import (
	"errors"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// usualAcks are answers as nats-server writes them, without a call of its JSON
// encoder.
var usualAcks = map[string]pubAck{
	`{"stream":"S","seq":1}`:                              {stream: "S", sequence: 1},
	`{"stream":"S","domain":"hub","seq":10}`:              {stream: "S", sequence: 10},
	`{"stream":"S","seq":7,"duplicate": true}`:            {stream: "S", sequence: 7, duplicate: true},
	`{"stream":"S","seq":0}`:                              {stream: "S"},
	`{"stream":"other","seq":3,"batch":"id","count":2}`:   {stream: "other", sequence: 3, batch: "id", count: 2},
	`{"stream":"S","seq":1844674407370955160,"count":12}`: {stream: "S", sequence: 1844674407370955160, count: 12},
}

func TestScanPubAck(t *testing.T) {
	for text, want := range usualAcks {
		if got, ok := scanPubAck([]byte(text), "S"); !ok || got != want {
			t.Errorf("%s: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		``, `{}`, `{"stream":"","seq":1}`, `{"stream":"S"}`, `{"stream":"S","seq":}`, `{"stream":"S","seq":01}`,
		`{"stream":"S","seq":-1}`, `{"stream":"S","seq":1e3}`, `{"stream":"S","seq":1}x`, `{"stream":"S","seq":1`,
		`{"stream":"\u0053","seq":1}`, `{"stream":"S","seq":99999999999999999999}`, `{"stream":"é","seq":1}`,
		`{"stream":"S","seq":1,"duplicate":false}`, `{"error":{"code":503,"err_code":10077},"stream":"S","seq":0}`,
	} {
		if got, ok := scanPubAck([]byte(text), "S"); ok {
			t.Errorf("%s: taken as %+v", text, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { scanPubAck([]byte(`{"stream":"S","seq":12}`), "S") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		msg       natsgo.Msg
		persisted bool
		err       error
		code      jetstream.ErrorCode
	}{
		"part of a batch": {persisted: true},
		"no stream":       {msg: natsgo.Msg{Header: natsgo.Header{"Status": {"503"}}}, err: jetstream.ErrNoStreamResponse},
		"refused":         {msg: natsgo.Msg{Data: []byte(`{"error":{"code":400,"err_code":10054},"stream":"S","seq":0}`)}, code: 10054},
		"other spelling":  {msg: natsgo.Msg{Data: []byte(`{ "seq": 4, "stream": "S" }`)}},
		"no name":         {msg: natsgo.Msg{Data: []byte(`{"seq":4}`)}, err: jetstream.ErrInvalidJSAck},
		"no JSON":         {msg: natsgo.Msg{Data: []byte(`+OK`)}, err: jetstream.ErrInvalidJSAck},
	} {
		ack, persisted, err := readAnswer(&is.msg, "S")
		var api *jetstream.APIError
		switch {
		case is.code != 0 && (!errors.As(err, &api) || api.ErrorCode != is.code),
			is.code == 0 && !errors.Is(err, is.err), persisted != is.persisted:
			t.Errorf("%s: %+v, %v, %v", name, ack, persisted, err)
		}
	}
}

// TestFalseAnswers: a message is done only when the answer to it says that the
// stream of the sink holds it, and where. The server of the test answers as
// none should.
func TestFalseAnswers(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	c := b.connect()
	for stream, is := range map[string]struct{ answer, want string }{
		"NOWHERE": {`{"stream":"NOWHERE","seq":0}`, jetstream.ErrInvalidJSAck.Error()},
		"UNSAID":  {`{"stream":"UNSAID"}`, jetstream.ErrInvalidJSAck.Error()},
		"OTHER":   {`{"stream":"ANOTHER","seq":3}`, "stream ANOTHER has taken"},
		"EMPTY":   {``, jetstream.ErrInvalidJSAck.Error()},
	} {
		b.stream(stream, nil)
		w := b.writer(b.sink(c, SinkOptions{Stream: stream}))
		if err := b.plain().DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		sub, err := b.plain().Conn().Subscribe(subjectOf(stream), func(msg *natsgo.Msg) {
			if err := msg.Respond([]byte(is.answer)); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.plain().Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		err = w.Write(t.Context(), numberedMessages(subjectOf(stream), 1, 0), nil)
		if err == nil || !strings.Contains(err.Error(), is.want) {
			t.Errorf("%q is taken: %v", is.answer, err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFalseBatchAnswers: the same of a batch.
func TestFalseBatchAnswers(t *testing.T) {
	t.Parallel()
	w := &writer{sink: &Sink{SinkOptions: SinkOptions{Stream: "S"}}}
	good := pubAck{stream: "S", sequence: 7, batch: "id", count: 3}
	if err := w.checkBatchAck(answer{done: true, ack: good}, "id", 3); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*answer){
		"another stream":  func(a *answer) { a.ack.stream = "T" },
		"another batch":   func(a *answer) { a.ack.batch = "other" },
		"no batch":        func(a *answer) { a.ack.batch = "" },
		"too few":         func(a *answer) { a.ack.count = 2 },
		"too many":        func(a *answer) { a.ack.count = 4 },
		"a duplicate":     func(a *answer) { a.ack.duplicate = true },
		"no sequence":     func(a *answer) { a.ack.sequence = 0 },
		"too low":         func(a *answer) { a.ack.sequence = 2 },
		"of a part of it": func(a *answer) { a.persisted = true },
	} {
		is := answer{done: true, ack: good}
		spoil(&is)
		if w.checkBatchAck(is, "id", 3) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzPubAck: an answer that the scanner takes says the same to a JSON decoder.
func FuzzPubAck(f *testing.F) {
	for text := range usualAcks {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := scanPubAck(data, "S")
		if !ok {
			return
		}
		if want, err := decodePubAck(data); err != nil || want != got {
			t.Fatalf("%q: scanned %+v, decoded %+v, %v", data, got, want, err)
		}
	})
}
