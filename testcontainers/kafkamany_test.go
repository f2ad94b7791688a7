package testcontainers

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// testManyTopics: topics of a list, and of a pattern while they come and go,
// are carried each to its own; an envelope that is moved from one to another is
// refused.
func (k *kafkaTest) testManyTopics(t *testing.T) {
	s := series{partitions: parts, n: 5000}
	for _, topic := range []string{"many.a", "many.b"} {
		k.topic(t, topic, parts)
		k.put(t, topic, 0, s.n, s.numbered)
	}
	k.run(t, "encrypt", k.url("many.a,many.b?until=latest&group=list"), k.url("list.{topic}?create=true"))
	k.once(t, "list.many.a", s)
	k.once(t, "list.many.b", s)

	p := start(t, "encrypt", "--key", k.key, "--from", k.url(`~many\..*?group=pattern`), "--to", k.url("{topic}.sealed?create=true"))
	k.await(t, "many.a.sealed", s.n)
	k.await(t, "many.b.sealed", s.n)
	k.topic(t, "many.c", parts)
	k.put(t, "many.c", 0, s.n, s.numbered)
	k.await(t, "many.c.sealed", s.n)
	k.delete(t, "many.a")
	k.topic(t, "many.d", parts)
	k.put(t, "many.d", 0, s.n, s.numbered)
	k.await(t, "many.d.sealed", s.n)
	k.put(t, "many.b", s.n, 2*s.n, s.numbered)
	k.await(t, "many.b.sealed", 2*s.n)
	p.end(t)
	for topic, n := range map[string]int{"a": s.n, "b": 2 * s.n, "c": s.n, "d": s.n} {
		k.once(t, "many."+topic+".sealed", series{partitions: parts, n: n})
	}

	var moved *kgo.Record
	k.read(t, "many.c.sealed", parts, func(r *kgo.Record) { moved = r })
	again := &kgo.Record{Topic: "many.d.sealed", Key: moved.Key, Value: moved.Value, Headers: moved.Headers, Partition: moved.Partition}
	if err := k.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(t.Context(), again).FirstErr(); err != nil {
		t.Fatal(err)
	}
	k.run(t, "verify", k.url("many.b.sealed,many.c.sealed"), "")
	v := start(t, "verify", "--key", k.key, "--from", k.url(`~many\.[cd]\.sealed`))
	<-v.ended
	if logs := v.logs.String(); v.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(logs, "many.d.sealed/") ||
		!strings.Contains(logs, "tampered") {
		t.Errorf("a moved record: %v: %s", v.err, logs)
	}
}

// testDealtTopics has the broker deal the partitions of a pattern's topics to
// two members (KIP-848), of a topic as well that is made later.
func (k *kafkaTest) testDealtTopics(t *testing.T) {
	s := series{partitions: parts, n: 2000}
	k.topic(t, "dealt.a", parts)
	k.put(t, "dealt.a", 0, s.n, s.numbered)
	args := []string{
		"encrypt", "--key", k.key, "--from", k.url(`~dealt\.[a-z]*?group=dealt&membership=consumer`), "--to", k.url("{topic}.sealed?create=true"),
	}
	a, b := start(t, args...), start(t, args...)
	k.await(t, "dealt.a.sealed", s.n)
	k.awaitShares(t, "dealt", 2)
	k.topic(t, "dealt.b", parts)
	k.put(t, "dealt.b", 0, s.n, s.numbered)
	k.await(t, "dealt.b.sealed", s.n)
	a.end(t)
	k.put(t, "dealt.a", s.n, 2*s.n, s.numbered)
	k.await(t, "dealt.a.sealed", 2*s.n)
	b.end(t)
	k.once(t, "dealt.a.sealed", series{partitions: parts, n: 2 * s.n})
	k.once(t, "dealt.b.sealed", s)
}
