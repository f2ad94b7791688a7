package format

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// decodeKcat decodes one line.
func decodeKcat(t testing.TB, line string, noted *int) (*pipeline.Message, error) {
	t.Helper()
	l, err := ForReading(Options{Format: Kcat, MaxHeaders: 3, NoteReplaced: func() { *noted++ }})
	if err != nil {
		t.Fatal(err)
	}
	d, b := l.NewDecoder(), new(Batch)
	n, err := d.Next([]byte(line), true)
	if err != nil {
		return nil, err
	}
	is, err := b.Decode(t.Context(), d, []byte(line)[:n])
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, io.EOF
	}
	return b.Last(), nil
}

const kcatHead = `{"topic":"t","partition":0,"offset":7,"tstype":"create","ts":1790841600000,"broker":1,`

func TestKcat(t *testing.T) {
	at := time.UnixMilli(1790841600000).UTC()
	for line, want := range map[string]pipeline.Message{
		kcatHead + `"key":"k","payload":"v"}`:   {Key: []byte("k"), Value: []byte("v"), Time: at},
		kcatHead + `"key":null,"payload":null}`: {Time: at},
		kcatHead + `"key":"","payload":""}`:     {Key: []byte{}, Value: []byte{}, Time: at},
		kcatHead + "\"key\":\"\xff\\u0000\",\"payload\":\"\xfe\\n\\\"\"}": {
			Key: []byte("\xff\x00"), Value: []byte("\xfe\n\""), Time: at,
		},
		kcatHead + `"headers":["a","1","a",null],"key":null,"payload":"v"}`: {
			Headers: []pipeline.Header{{Name: "a", Value: []byte("1")}, {Name: "a"}}, Value: []byte("v"), Time: at,
		},
		kcatHead + `"headers":{"a":["1",null],"b":["2"]},"key":null,"payload":"v"}`: {
			Headers: []pipeline.Header{{Name: "a", Value: []byte("1")}, {Name: "a"}, {Name: "b", Value: []byte("2")}},
			Value:   []byte("v"), Time: at,
		},
		kcatHead + `"headers":[],"key":null,"payload":"v"}`: {Value: []byte("v"), Time: at},
		`{"topic":"t","partition":3,"offset":9,"tstype":"unknown","ts":-1,"broker":-1,"key":null,"payload":"v"}`: {
			Value: []byte("v"),
		},
		`{"topic":"t","partition":3,"offset":9,"key":null,"payload":"v"}`: {Value: []byte("v")},
	} {
		var noted int
		got, err := decodeKcat(t, line+"\n", &noted)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		formattest.RequireEqual(t, []pipeline.Message{want}, []pipeline.Message{*got})
		if noted != 0 {
			t.Errorf("%s: noted", line)
		}
	}
}

func TestKcatReplaced(t *testing.T) {
	for _, text := range []string{"\"a\uFFFDb\"", `"a\ufffdb"`} {
		var noted int
		if _, err := decodeKcat(t, kcatHead+`"key":null,"payload":`+text+"}\n", &noted); err != nil || noted != 1 {
			t.Errorf("%s: noted %d, %v", text, noted, err)
		}
		header := kcatHead + `"headers":["h",` + text + `],"key":null,"payload":"v"}` + "\n"
		if _, err := decodeKcat(t, header, &noted); err != nil || noted != 2 {
			t.Errorf("%s: noted %d, %v", header, noted, err)
		}
	}
}

func TestKcatRefuses(t *testing.T) {
	for line, want := range map[string]error{
		"text\n":                           ErrMalformed,
		"{}\n":                             ErrMalformed,
		`{"value":"v"}` + "\n":             ErrMalformed,
		kcatHead + `"key":null}` + "\n":    ErrMalformed,
		kcatHead + `"key":null,"payload":`: ErrTruncated,
		kcatHead + `"key":null,"payload":{"avro":1}}` + "\n":                                            ErrMalformed,
		kcatHead + `"key":null,"payload":null,"payload_error":"x"}` + "\n":                              ErrMalformed,
		kcatHead + `"key":null,"key":null,"payload":"v"}` + "\n":                                        ErrMalformed,
		kcatHead + `"key":null,"payload":"v"} x` + "\n":                                                 ErrMalformed,
		kcatHead + `"headers":["a"],"key":null,"payload":"v"}` + "\n":                                   ErrMalformed,
		kcatHead + `"headers":["a","1","a","2","a","3","a","4"],"key":null,"payload":"v"}` + "\n":       ErrTooLarge,
		kcatHead + `"headers":{"a":["1","2","3","4"]},"key":null,"payload":"v"}` + "\n":                 ErrTooLarge,
		strings.Replace(kcatHead, `"offset":7`, `"offset":"7"`, 1) + `"key":null,"payload":"v"}` + "\n": ErrMalformed,
	} {
		var noted int
		if _, err := decodeKcat(t, line, &noted); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", line, err, want)
		}
	}
	if _, err := ForWriting(Options{Format: Kcat}); err == nil {
		t.Error("kcat can be written")
	}
}

func FuzzKcat(f *testing.F) {
	f.Add(kcatHead + `"headers":["a","1"],"key":"k","payload":"v"}` + "\n")
	f.Add(kcatHead + `"headers":{"a":["1",null]},"key":"\u00ff","payload":null}`)
	f.Fuzz(func(t *testing.T, line string) {
		l, err := ForReading(Options{Format: Kcat})
		if err != nil {
			t.Fatal(err)
		}
		d, b := l.NewDecoder(), new(Batch)
		if n, err := d.Next([]byte(line), true); err == nil && n > 0 {
			_, _ = b.Decode(context.Background(), d, []byte(line)[:n]) // it does not panic
		}
	})
}
