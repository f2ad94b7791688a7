package testcontainers

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const pageOfBackfill = "../docs/backfill.md"

// TestBackfillPage runs the migration of docs/backfill.md as it stands there,
// with Kafka's own tools beside the broker, then the same with migrate, and the
// section about archives.
func TestBackfillPage(t *testing.T) {
	commands := readCommands(t, pageOfBackfill, "A migration with plain commands")
	migrate := readCommands(t, pageOfBackfill, "The same with one command")
	archives := readCommands(t, pageOfBackfill, "Archives, with checkpoints and proofs")
	k := kafkaTest{kafkaServer: startKafka(t, map[string]string{"KAFKA_LOG_RETENTION_MS": "604800000"})}
	t.Chdir(t.TempDir())
	var running []*process
	shown := ""
	for _, command := range commands {
		args := splitWords(strings.ReplaceAll(strings.TrimSuffix(command, "&"), "localhost:9092", k.address))
		switch {
		case strings.Contains(command, "kafka-"):
			if strings.Contains(command, "--describe") {
				k.awaitCaughtUp(t, "orders", "seal", 3)
			}
			shown = k.runTool(t, strings.ReplaceAll(command, "localhost:9092", "localhost:9094"))
			if strings.Contains(command, "kafka-console-consumer") && strings.Count(shown, `{"id":`) == 0 {
				t.Errorf("%s shows %s", command, shown)
			}
		case args[0] != "streamcrypt":
			t.Fatalf("the test cannot run %q", command)
		case strings.HasSuffix(command, "&"):
			running = append(running, start(t, args[1:]...))
		case args[1] == "offsets":
			awaitOffsets(t, args[1:])
		default:
			streamcrypt(t.Context(), t, args[1:]...)
		}
	}
	// The readers have the three records that they had not read, once each.
	if n := strings.Count(shown, `{"id":`); n != 3 {
		t.Errorf("the readers go on with %d records:\n%s", n, shown)
	}
	for _, p := range running {
		p.end(t)
	}
	// The command of the page goes on where those ended.
	args := splitWords(strings.ReplaceAll(migrate[0], "localhost:9092", k.address))
	p := start(t, append(args[1:], "--yes")...)
	p.awaitLog(t, "caught up, and following", 1)
	p.end(t)
	runArchivesSection(t, archives, k.address)
}

// runArchivesSection runs the section of docs/backfill.md about archives with a
// shell, in a folder of its own.
func runArchivesSection(t *testing.T, commands []string, kafka string) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	var all strings.Builder
	for _, command := range commands {
		out, err := exec.Command("sh", "-c", strings.ReplaceAll(command, "localhost:9092", kafka)).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		all.Write(out)
	}
	for _, want := range []string{"exactly-once, by the checkpoint", `"nothing_to_do":true`, "order 4", "Signature Verified Successfully"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the section does not show %q:\n%s", want, all.String())
		}
	}
}

// readCommands returns the commands of a section of a page, in order.
func readCommands(t *testing.T, path, heading string) (commands []string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", path, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	return commands
}

// awaitOffsets says it again as long as the positions are not there yet, as a
// person would.
func awaitOffsets(t *testing.T, args []string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		e := exitOf(t.Context(), t, args...)
		if e.code == 0 {
			return
		}
		if !strings.Contains(string(e.stdout), "not-yet") || time.Now().After(deadline) {
			t.Fatalf("%v: exit code %d:\n%s%s", args, e.code, e.stdout, e.stderr)
		}
	}
}

// awaitCaughtUp waits until a group has committed the ends of a topic.
func (k *kafkaServer) awaitCaughtUp(t *testing.T, topic, group string, partitions int32) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ends, behind := k.ends(t, topic, partitions), int64(0)
		for p, at := range k.committed(t, group, topic, partitions) {
			behind += ends[p] - max(at, 0)
		}
		if behind == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("group %s is %d behind", group, behind)
		}
	}
}

// countKills returns how often a backfill is killed: BACKFILL_KILLS, or a number
// that fits a quick run.
func countKills(t *testing.T, quick int) int {
	t.Helper()
	text := os.Getenv("BACKFILL_KILLS")
	if text == "" {
		return quick
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// killAtRandom starts a command n times, kills it each time when it has written
// a random share of the rest, and lets the last one end by itself. count tells
// how many messages the output has, and total is how many it will have.
func killAtRandom(t *testing.T, n int, count func() int64, total int64, args ...string) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 7)) // the moments differ anyhow
	killed := 0
	for i := range n {
		had := count()
		share := 2 * (total - had) / int64(n-i+1)
		if had >= total { // some came twice: nobody knows how many are left
			share = 2 * total / int64(n)
		}
		goal := had + 1 + rnd.Int64N(max(1, share))
		p := start(t, args...)
		if p.awaitCount(t, count, goal) {
			break
		}
		_ = p.cmd.Process.Kill()
		<-p.ended
		killed++
	}
	t.Logf("killed %d times at %d of %d messages", killed, count(), total)
	if e := exitOf(t.Context(), t, args...); e.code != 0 {
		t.Fatalf("%v: exit code %d:\n%s", args, e.code, e.stderr)
	}
}

// awaitCount waits until the output has as many messages, or the process has
// ended well.
func (p *process) awaitCount(t *testing.T, count func() int64, goal int64) (ended bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		select {
		case <-p.ended:
			if p.err != nil {
				t.Fatalf("it ended with %v", p.err)
			}
			return true
		case <-time.After(time.Millisecond): // asked again; the count decides
		}
		if count() >= goal {
			return false
		}
		if time.Now().After(deadline) {
			t.Fatalf("the output has %d messages, and %d were awaited", count(), goal)
		}
	}
}

// countEnds returns a function that sums up the ends of a topic.
func (k *kafkaServer) countEnds(t *testing.T, topic string, partitions int32) func() int64 {
	return func() (total int64) {
		for _, end := range k.ends(t, topic, partitions) {
			total += end
		}
		return total
	}
}

// committed returns the offsets of a group; -1 where it has none.
func (k *kafkaServer) committed(t *testing.T, group, topic string, partitions int32) []int64 {
	t.Helper()
	c := k.connect(t, kgo.MaxVersions(kversion.V3_8_0())) // later ones name topics by id
	defer c.Close()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	of := kmsg.NewOffsetFetchRequestTopic()
	of.Topic = topic
	offsets := make([]int64, partitions)
	for p := range partitions {
		of.Partitions, offsets[p] = append(of.Partitions, p), -1
	}
	req.Topics = append(req.Topics, of)
	res, err := req.RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range res.Topics {
		for _, p := range of.Partitions {
			offsets[p.Partition] = p.Offset
		}
	}
	return offsets
}

// TestKilledBackfills kills backfills at random moments. When the last one has
// ended nothing is missing, different or there twice.
func TestKilledBackfills(t *testing.T) {
	t.Run("Kafka", testKilledKafka)
	t.Run("NATS", testKilledNATS)
}

func testKilledKafka(t *testing.T) {
	k := kafkaTest{kafkaServer: startKafka(t, nil)}
	t.Chdir(t.TempDir())
	streamcrypt(t.Context(), t, "keygen", "local", "--out", "key.jwk")
	s := series{partitions: 4, n: 60_000}
	k.topic(t, "plain", s.partitions)
	k.topic(t, "sealed", s.partitions, "max.message.bytes", "1100000")
	k.topic(t, "opened", s.partitions, "max.message.bytes", "1200000")
	k.put(t, "plain", 0, s.n, s.numbered)
	killAtRandom(t, countKills(t, 4), k.countEnds(t, "sealed", s.partitions), int64(s.n), "encrypt",
		"--key", "local:key.jwk", "--from", k.url("plain?group=fill&until=latest"), "--to", k.url("sealed"))
	if e := exitOf(t.Context(), t, "verify", "--key", "local:key.jwk", "--from", k.url("sealed")); e.code != 0 {
		t.Errorf("exit code %d:\n%s", e.code, e.stderr)
	}
	killAtRandom(t, countKills(t, 4), k.countEnds(t, "opened", s.partitions), int64(s.n), "decrypt",
		"--key", "local:key.jwk", "--from", k.url("sealed?group=open&until=latest"), "--to", k.url("opened"))
	k.compare(t, "opened", s, s.numbered)
	// Positions of readers lead to the same records.
	e := exitOf(t.Context(), t, "offsets", "--group", "fill", "--from", k.url("plain"), "--via", k.url("sealed"), "--to", k.url("opened"))
	if e.code != 0 || strings.Count(string(e.stdout), "at-end") != int(s.partitions) {
		t.Errorf("exit code %d:\n%s%s", e.code, e.stdout, e.stderr)
	}
}

func testKilledNATS(t *testing.T) {
	url, js := startNATS(t.Context(), t)
	t.Chdir(t.TempDir())
	streamcrypt(t.Context(), t, "keygen", "local", "--out", "key.jwk")
	const n = 30_000
	for _, name := range []string{"plain", "sealed", "opened"} {
		config := jetstream.StreamConfig{Name: strings.ToUpper(name), Subjects: []string{name + ".>"}, Duplicates: 30 * time.Minute}
		if _, err := js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	putNumbers(t, js, n)
	count := func(stream string) func() int64 {
		return func() int64 { return int64(countMessages(t.Context(), t, js, stream)) }
	}
	killAtRandom(t, countKills(t, 1), count("SEALED"), n, "encrypt", "--key", "local:key.jwk",
		"--from", url+"/PLAIN?consumer=fill&until=latest&ack-wait=2s", "--to", url+"/SEALED?subject=sealed.>&strip=plain")
	killAtRandom(t, countKills(t, 1), count("OPENED"), n, "decrypt", "--key", "local:key.jwk",
		"--from", url+"/SEALED?consumer=open&until=latest&ack-wait=2s", "--to", url+"/OPENED?subject=opened.>&strip=sealed")
	compareNumbers(t, js, n)
}

// putNumbers publishes the numbers below n.
func putNumbers(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	const window = 500
	var sent []jetstream.PubAckFuture
	for i := range n {
		ack, err := js.PublishAsync("plain.a", fmt.Appendf(nil, "%09d", i))
		if err != nil {
			t.Fatal(err)
		}
		if sent = append(sent, ack); len(sent) == window || i == n-1 {
			awaitAcks(t.Context(), t, sent)
			sent = sent[:0]
		}
	}
}

// compareNumbers reads OPENED: all numbers below n, once and in order.
func compareNumbers(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	it := read(t.Context(), t, js, "OPENED")
	differ, last := 0, countMessages(t.Context(), t, js, "OPENED")
	if last != n {
		t.Errorf("%d messages, want %d", last, n)
	}
	for i := range last {
		m := next(t, it)
		if want := fmt.Sprintf("%09d", i); string(m.Data()) != want {
			if differ++; differ <= 5 {
				t.Errorf("message %d is %s", i, m.Data())
			}
		}
	}
}
