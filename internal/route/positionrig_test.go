package route

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// refusalKind is a reason for which one message is refused.
type refusalKind struct {
	name, reason string
	possible     func(do direction, from, to string) bool
	// spoil changes the message, before it is sealed where that is decrypted.
	spoil func(p *positionCase, m *pipeline.Message)
	// spoilSealed changes the message, or the sealed one.
	spoilSealed func(p *positionCase, m *pipeline.Message)
	// spoilBytes changes the record of the message in a file.
	spoilBytes func(record []byte) []byte
	otherKey   bool
	// settle mends by a setting; nil: only another message does.
	settle func(p *positionCase)
	// spoilsEnd says that the end record of an archive cannot be checked, if
	// the message is set aside.
	spoilsEnd bool
}

func (k *refusalKind) isPossible(do direction, from, to string) bool { return k.possible(do, from, to) }

const smallBudget = 64 << 10 // 24 KiB of output, records of 128 KiB

func raiseBudget(p *positionCase) { p.config.Budget = 0 }

var refusalKinds = []refusalKind{
	{
		name: "malformed line", reason: "malformed",
		possible:   func(_ direction, from, _ string) bool { return from == "ndjson" },
		spoilBytes: func(line []byte) []byte { return bytes.Replace(line, []byte(`"value`), []byte(`"valeu`), 1) },
	},
	{
		name: "overlong line", reason: "too-large",
		possible: func(_ direction, from, _ string) bool { return isFile(from) },
		spoil:    func(_ *positionCase, m *pipeline.Message) { m.Value = pad(m.Value, 2*smallBudget+100) },
		settle:   raiseBudget, spoilsEnd: true,
	},
	{
		name: "wrong checksum", reason: "malformed",
		possible: func(_ direction, from, _ string) bool { return from == "seq" },
		spoilBytes: func(record []byte) []byte {
			record = bytes.Clone(record)
			record[len(record)/2] ^= 1
			return record
		},
		spoilsEnd: true,
	},
	{
		name: "no room", reason: "too-large",
		possible: func(direction, string, string) bool { return true },
		spoil:    func(_ *positionCase, m *pipeline.Message) { m.Value = pad(m.Value, smallBudget/2) },
		settle:   raiseBudget,
	},
	{
		name: "reserved header", reason: "reserved-header",
		possible: func(do direction, from, _ string) bool { return do == encrypt && from != "lines" },
		spoil: func(_ *positionCase, m *pipeline.Message) {
			m.Headers = append(m.Headers, pipeline.Header{Name: envelope.TombstoneHeader, Value: []byte("x")})
		},
	},
	{
		name: "already sealed", reason: "already-sealed",
		possible: func(do direction, from, _ string) bool { return do == encrypt && from != "lines" },
		spoil: func(p *positionCase, m *pipeline.Message) {
			value, err := p.rig.sealers[sealerKind{}].Seal(context.Background(), nil, m.Value, envelope.Binding{})
			if err != nil {
				panic(err)
			}
			m.Value = value
		},
	},
	{
		name: "no envelope", reason: "not-an-envelope",
		possible:    func(do direction, _, _ string) bool { return do == decrypt },
		spoilSealed: func(_ *positionCase, m *pipeline.Message) { m.Value = []byte("a plaintext") },
	},
	{
		name: "tampered", reason: "tampered",
		possible:    func(do direction, _, _ string) bool { return do == decrypt },
		spoilSealed: func(_ *positionCase, m *pipeline.Message) { m.Key = []byte("another key") },
	},
	{
		name: "unknown key", reason: "unknown-key",
		possible: func(do direction, _, _ string) bool { return do == decrypt },
		otherKey: true,
		settle:   func(p *positionCase) { p.config.Keys = append(p.config.Keys, "local:"+p.rig.dir+"/other.jwk") },
	},
	{
		name: "many headers", reason: "header",
		possible: func(_ direction, from, to string) bool { return !isFile(from) && isFile(to) && to != "lines" },
		spoil: func(_ *positionCase, m *pipeline.Message) {
			for range 4200 {
				m.Headers = append(m.Headers, pipeline.Header{Name: "H", Value: []byte("x")})
			}
		},
	},
	{
		name: "header of two lines", reason: "header",
		possible: func(_ direction, from, to string) bool { return from != "nats" && from != "lines" && to == "nats" },
		spoil: func(_ *positionCase, m *pipeline.Message) {
			m.Headers = append(m.Headers, pipeline.Header{Name: "H", Value: []byte("a\nb")})
		},
	},
	{
		name: "line without its key", reason: "malformed",
		possible:   func(_ direction, from, _ string) bool { return from == "lines" },
		spoilBytes: func(line []byte) []byte { return bytes.Replace(line, []byte(`"id"`), []byte(`"ID"`), 1) },
	},
	{
		name: "value of two lines", reason: "refused",
		possible: func(_ direction, _, to string) bool { return to == "lines" },
		spoil:    func(_ *positionCase, m *pipeline.Message) { m.Value = append(m.Value, "\n "...) },
	},
	{
		name: "large for its topic", reason: "too-large",
		possible: func(_ direction, from, to string) bool { return from != "kafka" && to == "kafka" },
		spoil:    func(_ *positionCase, m *pipeline.Message) { m.Value = pad(m.Value, smallTopic+100) },
	},
}

const smallTopic = 4 << 10

// pad returns a value of some size that wordOf reads like the one given.
func pad(value []byte, size int) []byte {
	return append(value, bytes.Repeat([]byte{' '}, size-len(value))...)
}

// positionRig has everything that the rows share.
type positionRig struct {
	dir      string
	kafka    *kafkaBroker
	client   *kgo.Client
	nats     *broker
	sealers  map[sealerKind]*envelope.Sealer
	openers  map[envelope.Medium]*envelope.Opener
	archives archive.Functions
}

// sealerKind tells sealers apart.
type sealerKind struct {
	other  bool // for the other key
	medium envelope.Medium
}

func newPositionRig(t *testing.T) *positionRig {
	rig := &positionRig{
		dir: t.TempDir(), kafka: startKafka(t), nats: startBroker(t),
		sealers: map[sealerKind]*envelope.Sealer{}, openers: map[envelope.Medium]*envelope.Opener{},
	}
	rig.client = rig.kafka.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, name := range []string{"k.jwk", "other.jwk"} {
		key, err := local.GenerateAES()
		must(t, err)
		writeFile(t, rig.dir+"/"+name, key)
	}
	for _, kind := range []sealerKind{
		{false, envelope.Topic}, {true, envelope.Topic}, {false, envelope.Stream}, {true, envelope.Stream},
	} {
		path := rig.dir + "/" + map[bool]string{false: "k.jwk", true: "other.jwk"}[kind.other]
		p := &plan{Config: Config{Keys: []string{"local:" + path}}, env: Env{Log: quiet}, context: []byte("c")}
		p.bind.Medium = kind.medium
		sealer, err := p.loadSealing(t.Context(), true)
		must(t, err)
		t.Cleanup(func() { must(t, sealer.Close()) })
		rig.sealers[kind] = sealer
		if !kind.other {
			rig.openers[kind.medium], err = p.loadOpening(t.Context())
			must(t, err)
		}
	}
	rig.archives = archive.Functions{
		Front: envelope.BeforeRecipients, SealEnd: rig.sealers[sealerKind{}].SealEnd,
		OpenEnd: rig.openers[envelope.Topic].OpenEnd,
	}
	return rig
}

// mediumOf returns the medium of an end.
func mediumOf(kind string) envelope.Medium {
	if kind == "nats" {
		return envelope.Stream
	}
	return envelope.Topic
}

// origin is how the refused message is named.
func (p *positionCase) origin() string {
	switch p.from {
	case "kafka":
		return fmt.Sprintf("%s-in/0@%d", p.name, badIndex)
	case "nats":
		return fmt.Sprintf("%s-in@%d", p.name, badIndex+1)
	}
	return fmt.Sprintf("%s@%d", p.path("in."+p.from), badIndex)
}

func (p *positionCase) newConfig() Config {
	c := Config{Keys: []string{"local:" + p.rig.dir + "/k.jwk"}, Context: "c", Budget: smallBudget, Workers: 2}
	switch p.from {
	case "kafka":
		c.From = p.rig.kafka.url + "/" + p.name + "-in?until=latest&group=" + p.name
	case "nats":
		c.From = p.rig.nats.url + "/" + p.name + "-in?until=latest&consumer=" + p.name
	default:
		c.From = "file:" + p.path("in."+p.from) + "?format=" + p.from
		if p.from == "lines" {
			c.From += "&key=.id"
		}
	}
	switch p.to {
	case "kafka":
		c.To = p.rig.kafka.url + "/" + p.name + "-out"
	case "nats":
		c.To = p.rig.nats.url + "/" + p.name + "-out?subject=" + p.name + ".out"
	default:
		c.To = "file:" + p.path("out."+p.to) + "?format=" + p.to
		if !isFile(p.from) && !p.checkpoint {
			c.To += "&append=true"
		}
	}
	if p.checkpoint {
		c.Checkpoint = p.path("ck")
	}
	if p.letters {
		c.DeadLetter = "file:" + p.path("dead.ndjson")
	}
	return c
}

// messages returns the messages of the source, one of them bad.
func (p *positionCase) messages(t *testing.T, bad bool) []pipeline.Message {
	t.Helper()
	if p.good == nil && bad {
		p.good = p.makeMessages(t, false) // what is not mended stays the same to the byte
	}
	msgs := slices.Clone(p.good)
	if bad {
		msgs[badIndex] = p.makeMessages(t, true)[badIndex]
	}
	return msgs
}

func (p *positionCase) makeMessages(t *testing.T, bad bool) []pipeline.Message {
	t.Helper()
	msgs := make([]pipeline.Message, positionCount)
	for i := range msgs {
		m := &msgs[i]
		*m = pipeline.Message{Key: fmt.Appendf(nil, "key %d", i), Value: fmt.Appendf(nil, "value %d", i)}
		if p.from == "nats" {
			m.Subject = []byte(p.name + ".in")
		}
		if p.from == "lines" {
			m.Key, m.Value = nil, fmt.Appendf(nil, `{"id":"key %d","text":"value %d"}`, i, i)
		}
		is := bad && i == badIndex
		if is && p.refusal.spoil != nil {
			p.refusal.spoil(p, m)
		}
		if p.do == decrypt {
			e, err := transform.NewEncrypt(transform.EncryptOptions{Sealer: p.rig.sealers[sealerKind{is && p.refusal.otherKey, mediumOf(p.from)}]})
			must(t, err)
			value, err := e.Append(t.Context(), nil, m)
			must(t, err)
			m.Value = value
		}
		if is && p.refusal.spoilSealed != nil {
			p.refusal.spoilSealed(p, m)
		}
	}
	return msgs
}

// putSource fills the source; a file is written anew.
func (rig *positionRig) putSource(t *testing.T, p *positionCase, bad bool) {
	t.Helper()
	msgs := p.messages(t, bad)
	switch p.from {
	case "kafka":
		rig.kafka.topic(t, p.name+"-in", 1, nil)
		var records []*kgo.Record
		for _, m := range msgs {
			r := &kgo.Record{Topic: p.name + "-in", Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
			}
			records = append(records, r)
		}
		must(t, rig.client.ProduceSync(t.Context(), records...).FirstErr())
	case "nats":
		rig.nats.stream(t, p.name+"-in", p.name+".in")
		for _, m := range msgs {
			out := natsgo.NewMsg(p.name + ".in")
			out.Data = m.Value
			out.Header.Set("Streamcrypt-Key", base64.RawURLEncoding.EncodeToString(m.Key))
			for _, h := range m.Headers {
				out.Header[h.Name] = append(out.Header[h.Name], string(h.Value))
			}
			_, err := rig.nats.js.PublishMsg(t.Context(), out)
			must(t, err)
		}
	default:
		p.writeSource(t, msgs, bad)
	}
}

func (p *positionCase) writeSource(t *testing.T, msgs []pipeline.Message, bad bool) {
	t.Helper()
	layout, err := format.ForWriting(format.Options{Format: format.Format(p.from), Archive: p.rig.archives})
	must(t, err)
	e := layout.NewEncoder()
	text := e.Begin(nil)
	for i := range msgs {
		record, err := e.Append(nil, &msgs[i])
		must(t, err)
		if bad && i == badIndex && p.refusal.spoilBytes != nil {
			record = p.refusal.spoilBytes(record)
		}
		text = append(text, record...)
	}
	text, err = e.End(t.Context(), text)
	must(t, err)
	writeFile(t, p.path("in."+p.from), text)
}

// prepareSink makes the topic or the stream that is written.
func (p *positionCase) prepareSink(t *testing.T) {
	t.Helper()
	switch p.to {
	case "kafka":
		config := map[string]string{"max.message.bytes": "2000000"}
		if p.refusal.name == "large for its topic" {
			config = map[string]string{"max.message.bytes": fmt.Sprint(smallTopic)}
		}
		p.rig.kafka.topic(t, p.name+"-out", 1, config)
	case "nats":
		p.rig.nats.stream(t, p.name+"-out", p.name+".out")
	}
}

// readSink returns the messages of the output, opened.
func (p *positionCase) readSink(t *testing.T) (words []string) {
	t.Helper()
	var msgs []pipeline.Message
	switch p.to {
	case "kafka":
		for _, r := range flat(p.rig.kafka.read(t, p.name+"-out")) {
			msgs = append(msgs, pipeline.Message{Key: r.Key, Value: r.Value})
		}
	case "nats":
		for _, m := range p.rig.nats.read(t, p.name+"-out") {
			key, err := base64.RawURLEncoding.DecodeString(m.header.Get("Streamcrypt-Key"))
			must(t, err)
			msgs = append(msgs, pipeline.Message{Key: key, Value: m.data, Subject: []byte(m.subject)})
		}
	default:
		msgs = p.readFileSink(t)
	}
	for i := range msgs {
		m := &msgs[i]
		value := m.Value
		if p.do == encrypt {
			d, err := transform.NewDecrypt(transform.DecryptOptions{Opener: p.rig.openers[mediumOf(p.to)]})
			must(t, err)
			value, err = d.Append(t.Context(), nil, m)
			must(t, err)
		}
		word := strings.TrimRight(string(value), " \n")
		if text, ok := strings.CutPrefix(word, fmt.Sprintf(`{"id":"%s","text":"`, m.Key)); ok {
			word = strings.TrimSuffix(text, `"}`)
		}
		words = append(words, word)
	}
	return words
}

func (p *positionCase) readFileSink(t *testing.T) (msgs []pipeline.Message) {
	t.Helper()
	text, err := os.ReadFile(p.path("out." + p.to))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = os.ReadFile(p.path("out." + p.to + ".partial"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	layout, err := format.ForReading(format.Options{Format: format.Format(p.to), Archive: p.rig.archives})
	must(t, err)
	d := layout.NewDecoder()
	for {
		n, err := d.Next(text, true)
		must(t, err)
		if n == 0 {
			return msgs
		}
		b := new(format.Batch)
		is, err := b.Decode(t.Context(), d, text[:n])
		must(t, err)
		if is {
			msgs = append(msgs, *b.Last())
		}
		text = text[n:]
	}
}
