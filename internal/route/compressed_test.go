package route

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAdviseCompression: a route that seals a source which is stored compressed
// says once how envelopes of it take less room, unless it does that already.
func TestAdviseCompression(t *testing.T) {
	testDir(t)
	k, n := startKafka(t), startBroker(t)
	for _, codec := range []string{"lz4", "uncompressed", "producer"} {
		k.topic(t, "in."+codec, 1, map[string]string{"compression.type": codec})
		k.put(t, numbered("in."+codec, 3, 1)...)
	}
	k.topic(t, "in.snappy", 2, nil) // of producers that compress
	for i := range 20 {
		c := k.client(t, kgo.ProducerBatchCompression(kgo.SnappyCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		must(t, c.ProduceSync(t.Context(), &kgo.Record{
			Topic: "in.snappy", Partition: int32(i % 2), Value: bytes.Repeat([]byte("x"), 1000),
		}).FirstErr())
	}
	for name, compression := range map[string]jetstream.StoreCompression{
		"S2": jetstream.S2Compression, "PLAIN": jetstream.NoCompression,
	} {
		_, err := n.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}, Compression: compression})
		must(t, err)
		n.publish(t, &natsgo.Msg{Subject: name, Data: []byte("v")})
	}
	n.published(t)
	for _, test := range []struct {
		from, to, compress string
		want               int
	}{
		{k.url + "/in.lz4?until=latest", "file:lz4.ndjson", "", 1},
		{k.url + "/in.lz4?until=latest", "file:zstd.ndjson", "zstd", 0},
		{k.url + "/in.uncompressed?until=latest", "file:uncompressed.ndjson", "", 0},
		{k.url + "/in.producer?until=latest", "file:producer.ndjson", "", 0},
		{k.url + "/in.snappy?until=latest", "file:snappy.ndjson", "", 1},
		{k.url + "/in.snappy?until=latest", "file:snappy-zstd.ndjson", "zstd", 0},
		{k.url + "/in.producer,in.lz4?group=g&until=latest", k.url + "/{topic}.sealed?create=true", "", 1},
		{n.url + "/S2?until=latest", "file:s2.ndjson", "", 1},
		{n.url + "/PLAIN?until=latest", "file:plain.ndjson", "", 0},
	} {
		var logged bytes.Buffer
		c := Config{From: test.from, To: test.to, Compress: test.compress}
		if strings.HasPrefix(test.to, "file:") {
			c.Context = "x"
		}
		s, err := run(t, Encrypt, c, Env{Log: slog.New(slog.NewTextHandler(&logged, nil))})
		if err != nil || s.Messages == 0 {
			t.Errorf("%s: %d messages, %v", test.from, s.Messages, err)
		}
		if got := strings.Count(logged.String(), "--compress=zstd"); got != test.want {
			t.Errorf("%s, compress %q: the advice came %d times, want %d", test.from, test.compress, got, test.want)
		}
	}
}
