package testcontainers

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const parts = 4

// kafkaTest is what the tests with a broker share: the broker, and a key.
type kafkaTest struct {
	*kafkaServer
	key string // URL
}

// TestKafka carries records between topics of a real broker, through the built
// command. The tests take turns: one of them restarts the broker.
func TestKafka(t *testing.T) {
	k := kafkaTest{kafkaServer: startKafka(t, nil)}
	path := filepath.Join(t.TempDir(), "key.jwk")
	streamcrypt(t.Context(), t, "keygen", "local", "--out", path)
	k.key = "local:" + path
	t.Run("fidelity", k.testFidelity)
	t.Run("other formats", k.testOtherFormats)
	t.Run("aborted transactions", k.testAborted)
	t.Run("broker restart", k.testBrokerRestart)
	t.Run("killed run", k.testKilledRun)
	t.Run("killed member", k.testKilledMember)
	t.Run("lost answers", k.testLostAnswers)
	t.Run("killed in a transaction", k.testKilledInTransaction)
	t.Run("killed member in a transaction", k.testKilledMemberInTransaction)
	t.Run("handover", k.testHandover)
	t.Run("append time", k.testAppendTime)
	t.Run("grown", k.testGrown)
	t.Run("made anew", k.testMadeAnew)
	t.Run("rewrap", k.testRewrap)
	t.Run("open transaction", k.testOpenTransaction)
	t.Run("deleted records", k.testDeletedRecords)
	t.Run("strong copy", k.testStrongCopy)
	t.Run("many topics", k.testManyTopics)
	t.Run("topics dealt by the broker", k.testDealtTopics)
}

// run runs a command on a route to its end.
func (k *kafkaTest) run(t *testing.T, command, from, to string) {
	t.Helper()
	args := []string{command, "--key", k.key, "--from", from}
	if to != "" {
		args = append(args, "--to", to)
	}
	start := time.Now()
	streamcrypt(t.Context(), t, args...)
	t.Logf("%s took %v", command, time.Since(start).Round(time.Millisecond))
}

// testFidelity: what comes out is what went in, in both deliveries, and nothing
// of it can be read on the way.
func (k *kafkaTest) testFidelity(t *testing.T) {
	s := series{partitions: parts, n: 200_000, large: 1000}
	k.topic(t, "fidelity", parts)
	k.put(t, "fidelity", 0, s.n, s.record, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		t.Run(delivery, func(t *testing.T) {
			sealed, opened := "fidelity-sealed-"+delivery, "fidelity-opened-"+delivery
			to := "?create=true&delivery=" + delivery
			k.run(t, "encrypt", k.url("fidelity?until=latest&group=enc-"+delivery), k.url(sealed+to))
			k.run(t, "verify", k.url(sealed), "")
			k.run(t, "decrypt", k.url(sealed+"?until=latest&group=dec-"+delivery), k.url(opened+to))
			k.compare(t, opened, s, s.record)
			k.checkSealed(t, sealed, s)
		})
	}
}

// checkSealed looks at what can be seen of sealed records.
func (k *kafkaTest) checkSealed(t *testing.T, topic string, s series) {
	t.Helper()
	seen, bad := make([]int, s.partitions), 0
	k.read(t, topic, s.partitions, func(r *kgo.Record) {
		was := s.record(topic, seen[r.Partition]*int(s.partitions)+int(r.Partition))
		seen[r.Partition]++
		switch {
		case was.Value == nil && r.Value == nil && len(r.Headers) == len(was.Headers)+1:
		case was.Value != nil && len(r.Value) > len(was.Value) && (len(was.Value) < 8 || !bytes.Contains(r.Value, was.Value)):
		default:
			if bad++; bad <= 5 {
				t.Errorf("%s: %d bytes of value became %d", place(r), len(was.Value), len(r.Value))
			}
		}
	})
}

// testOtherFormats: JWE and CMS on a real broker, made at once and by
// conversion in both directions, open to what was sealed.
func (k *kafkaTest) testOtherFormats(t *testing.T) {
	s := series{partitions: parts, n: 20_000}
	k.topic(t, "formats", parts)
	k.put(t, "formats", 0, s.n, s.numbered)
	k.run(t, "encrypt", k.url("formats?until=latest&group=f"), k.url("formats-cose?create=true"))
	convert := func(format, from, to string) {
		streamcrypt(t.Context(), t, "convert", "--format", format, "--key", k.key, "--tombstones", "pass",
			"--extra-headers", "pass", "--from", k.url(from+"?until=latest&group=to-"+format), "--to", k.url(to+"?create=true"))
	}
	convert("jwe", "formats-cose", "formats-jwe")
	convert("cose", "formats-jwe", "formats-again")
	convert("cms", "formats-again", "formats-cms")
	streamcrypt(t.Context(), t, "encrypt", "--format", "jwe", "--key", k.key, "--on", "bare-tombstone=pass",
		"--from", k.url("formats?until=latest&group=direct"), "--to", k.url("formats-direct?create=true"))
	for _, topic := range []string{"formats-jwe", "formats-cms", "formats-direct"} {
		streamcrypt(t.Context(), t, "decrypt", "--key", k.key, "--accept", "jwe,cms", "--extra-headers", "pass",
			"--tombstones", "pass", "--from", k.url(topic+"?until=latest&group=f"), "--to", k.url(topic+"-opened?create=true"))
		k.compare(t, topic+"-opened", s, s.numbered)
	}
}

// testAborted: what a producer has taken back is not sealed, at the end of the
// topic neither.
func (k *kafkaTest) testAborted(t *testing.T) {
	k.topic(t, "restless", parts)
	const rounds, size = 40, 200
	s := series{partitions: parts, n: rounds * size}
	live := start(t, "encrypt", "--key", k.key, "--from", k.url("restless?group=live"), "--to", k.url("restless-live?create=true"))
	c := k.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("restless"))
	write := func(from int, end kgo.TransactionEndTry) {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		records := make([]*kgo.Record, size)
		for i := range records {
			records[i] = s.numbered("restless", from+i)
			if end == kgo.TryAbort {
				records[i].Key = []byte("taken back")
			}
		}
		for part := range slices.Chunk(records, size/10) { // several batches, so that reads begin in the middle
			if err := c.ProduceSync(t.Context(), part...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rounds {
		write(i*size, kgo.TryCommit)
		write(0, kgo.TryAbort)
	}
	streamcrypt(t.Context(), t, "encrypt", "--key", k.key, "--read-ahead", "4KiB",
		"--from", k.url("restless?until=latest&group=restless"), "--to", k.url("restless-sealed?create=true"))
	k.run(t, "decrypt", k.url("restless-sealed?until=latest"), k.url("restless-opened?create=true"))
	k.compare(t, "restless-opened", s, s.numbered)
	k.await(t, "restless-live", s.n) // by a member that read while it was written
	live.end(t)
	k.once(t, "restless-live", s)
}

// testBrokerRestart: two members of groups go on when the broker has come back,
// and nothing is missing or there twice.
func (k *kafkaTest) testBrokerRestart(t *testing.T) {
	s := series{partitions: parts, n: 120_000}
	k.topic(t, "restart", parts)
	k.put(t, "restart", 0, s.n/2, s.numbered)
	var members []*process
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		members = append(members, start(t, "encrypt", "--key", k.key, "--from", k.url("restart?group=restart-"+delivery),
			"--to", k.url("restart-sealed-"+delivery+"?create=true&delivery="+delivery)))
	}
	k.await(t, "restart-sealed-exactly-once", s.n/10)
	k.restart(t)
	k.put(t, "restart", s.n/2, s.n, s.numbered)
	k.operate(t, members[0])
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		k.await(t, "restart-sealed-"+delivery, s.n)
	}
	for _, m := range members {
		m.end(t)
	}
	k.once(t, "restart-sealed-exactly-once", s)
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		opened := "restart-opened-" + delivery
		k.run(t, "decrypt", k.url("restart-sealed-"+delivery+"?until=latest&group=dec"), k.url(opened+"?create=true"))
		k.compare(t, opened, s, s.numbered)
	}
}

// operate does what a person does when a member says that it is stuck behind a
// transaction: it runs the command in the log line (docs/operate.md). The only
// broker of a cluster that ends in the middle of a commit may leave such a
// transaction behind; with it everything is open, so that nothing is doubled.
func (k *kafkaTest) operate(t *testing.T, p *process) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		since := time.Now()
		for tried := 0; ctx.Err() == nil; {
			select {
			case <-time.After(time.Second): // asked again; the log decides
			case <-ctx.Done():
				return
			}
			commands := stuckCommand.FindAllStringSubmatch(p.logs.String(), -1)
			for _, c := range commands[tried:] {
				out := k.java(ctx, "org.apache.kafka.tools.TransactionsCommand", "abort", "--topic", c[1], "--partition", c[2], "--start-offset", c[3])
				t.Logf("a transaction hung in %s/%s@%s, and was aborted: %s", c[1], c[2], c[3], out)
			}
			tried = len(commands)
			if looked := time.Since(since); strings.Contains(p.logs.String(), "find-hanging") && looked > 20*time.Second {
				k.abortHanging(ctx, t)
				since = time.Now()
			}
		}
	}()
}

// abortHanging finds the transactions that the coordinator has ended and a
// partition has not, and aborts them there.
func (k *kafkaTest) abortHanging(ctx context.Context, t *testing.T) {
	const tool = "org.apache.kafka.tools.TransactionsCommand"
	found := k.java(ctx, tool, "find-hanging", "--broker-id", "1", "--max-transaction-timeout", "1")
	for _, row := range hangingRow.FindAllStringSubmatch(found, -1) {
		out := k.java(ctx, tool, "abort", "--topic", row[1], "--partition", row[2], "--start-offset", row[3])
		t.Logf("a transaction hung in %s/%s@%s, and was aborted: %s", row[1], row[2], row[3], out)
	}
}

// hangingRow is topic, partition, producer id and epoch, coordinator epoch and
// start offset.
var hangingRow = regexp.MustCompile(`(?m)^(\S+)\s+(\d+)\s+\d+\s+\d+\s+-?\d+\s+(\d+)\s`)

var stuckCommand = regexp.MustCompile(`"end_it":"[^"]* abort --topic (\S+) --partition (\d+) --start-offset (\d+)"`)

// testKilledRun kills a run with an end at random points; the next one goes on.
// What is sealed at least once is opened once.
func (k *kafkaTest) testKilledRun(t *testing.T) {
	s := series{partitions: parts, n: 400_000}
	k.topic(t, "killed", parts)
	k.put(t, "killed", 0, s.n, s.numbered)
	rnd := rand.New(rand.NewPCG(5, uint64(time.Now().UnixNano())))
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		t.Run(delivery, func(t *testing.T) {
			sealed, opened := "killed-sealed-"+delivery, "killed-opened-"+delivery
			args := []string{
				"encrypt", "--key", k.key, "--from", k.url("killed?until=latest&group=killed-" + delivery),
				"--to", k.url(sealed + "?create=true&delivery=" + delivery),
			}
			for i := range 4 {
				p := start(t, args...)
				k.await(t, sealed, i*s.n/8+rnd.IntN(s.n/10))
				p.kill(t)
			}
			streamcrypt(t.Context(), t, args...)
			if delivery == "exactly-once" {
				k.once(t, sealed, s)
			}
			k.run(t, "decrypt", k.url(sealed+"?until=latest&group=dec-"+delivery), k.url(opened+"?create=true"))
			k.compare(t, opened, s, s.numbered)
		})
	}
}

// testKilledMember kills a member of a group, which comes back under its name.
func (k *kafkaTest) testKilledMember(t *testing.T) {
	s := series{partitions: parts, n: 200_000}
	k.topic(t, "member", parts)
	rnd := rand.New(rand.NewPCG(6, uint64(time.Now().UnixNano())))
	args := []string{
		"encrypt", "--key", k.key, "--instance", "one",
		"--from", k.url("member?group=member"), "--to", k.url("member-sealed?create=true"),
	}
	const kills = 3
	for i := range kills {
		p := start(t, args...)
		k.put(t, "member", i*s.n/4, (i+1)*s.n/4, s.numbered)
		k.await(t, "member-sealed", i*s.n/4+rnd.IntN(s.n/4))
		p.kill(t)
	}
	p := start(t, args...)
	k.put(t, "member", kills*s.n/4, s.n, s.numbered)
	k.await(t, "member-sealed", s.n)
	p.end(t)
	k.once(t, "member-sealed", s)
	k.run(t, "decrypt", k.url("member-sealed?until=latest&group=dec"), k.url("member-opened?create=true"))
	k.compare(t, "member-opened", s, s.numbered)
}

// await waits until a consumer of committed records has seen n of a topic,
// which may not be there yet.
func (k *kafkaTest) await(t *testing.T, topic string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := k.connect(t, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.UnknownTopicRetries(-1))
	defer c.Close()
	for seen := 0; seen < n; {
		fetches := c.PollFetches(ctx)
		seen += fetches.NumRecords()
		if ctx.Err() != nil {
			t.Fatalf("%s: %d records of %d: %v", topic, seen, n, ctx.Err())
		}
	}
}

// once checks that a consumer of committed records sees each numbered record
// once, in order per partition.
func (k *kafkaTest) once(t *testing.T, topic string, s series) {
	t.Helper()
	next, wrong, total := make([]int, s.partitions), 0, 0
	for p := range next {
		next[p] = p
	}
	k.read(t, topic, s.partitions, func(r *kgo.Record) {
		total++
		if want := fmt.Sprintf("%09d", next[r.Partition]); string(r.Key) != want {
			if wrong++; wrong <= 5 {
				t.Errorf("%s: got %s, want %s", place(r), r.Key, want)
			}
		}
		next[r.Partition] += int(s.partitions)
	})
	if least := slices.Min(next); total != s.n || least < s.n {
		t.Errorf("%s: %d records, want %d", topic, total, s.n)
	}
}
