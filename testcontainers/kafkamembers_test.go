package testcontainers

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	tcexec "github.com/testcontainers/testcontainers-go/exec"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// session of the members of these tests: the shortest that brokers accept. Where
// something has to happen within a session it is longSession, since a busy
// machine takes its time.
const (
	session     = 6 * time.Second
	longSession = time.Minute
)

// TestKafkaMembers has members of a group come, go, die and come back. Counts
// decide; times are printed.
func TestKafkaMembers(t *testing.T) {
	// The broker ends no transaction because its time is over, which it does late.
	never := map[string]string{"KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS": "3600000"}
	k := kafkaTest{kafkaServer: startKafka(t, never), key: newKey(t)}
	t.Run("started again", k.testStartedAgain)
	t.Run("gone", k.testGone)
	t.Run("gone in a transaction", k.testOrphans)
	t.Run("one name", k.testOneName)
	t.Run("ended while it joins", k.testEndedInJoin)
	t.Run("other programs", k.testOtherPrograms)
}

// newKey makes a key and returns its URL.
func newKey(t *testing.T) string {
	path := t.TempDir() + "/key.jwk"
	streamcrypt(t.Context(), t, "keygen", "local", "--out", path)
	return "local:" + path
}

// member starts a member of the group of a topic.
func (k *kafkaTest) member(t *testing.T, topic string, args ...string) *process {
	t.Helper()
	return k.memberFor(t, session, topic, args...)
}

// memberFor starts a member with a session.
func (k *kafkaTest) memberFor(t *testing.T, session time.Duration, topic string, args ...string) *process {
	t.Helper()
	return start(t, append([]string{
		"encrypt", "--key", k.key,
		"--from", k.url(fmt.Sprintf("%s?group=%s&session=%v", topic, topic, session)),
		"--to", k.url(topic + "-sealed?create=true"),
	}, args...)...)
}

const assigned = "kafka: partitions assigned"

// testStartedAgain kills a member with a name and starts it again within the
// session: there is no round of the group, and another member goes on.
func (k *kafkaTest) testStartedAgain(t *testing.T) {
	s := series{partitions: parts, n: 40_000}
	k.topic(t, "again", parts)
	a := k.memberFor(t, longSession, "again", "--instance", "a")
	a.awaitLog(t, assigned, 1)
	b := k.memberFor(t, longSession, "again", "--instance", "b")
	k.awaitShares(t, "again", 2)
	k.put(t, "again", 0, s.n/2, s.numbered)
	k.await(t, "again-sealed", s.n/2)
	rounds := b.hasLogged(assigned)
	a.kill(t)
	begin := time.Now()
	a = k.memberFor(t, longSession, "again", "--instance", "a")
	k.put(t, "again", s.n/2, s.n, s.numbered)
	k.await(t, "again-sealed", s.n)
	t.Logf("everything is sealed %v after the kill", time.Since(begin).Round(time.Millisecond))
	if n := b.hasLogged(assigned); n != rounds {
		t.Errorf("the group had %d rounds for it", n-rounds)
	}
	a.end(t)
	b.end(t)
	k.once(t, "again-sealed", s)
}

// testGone kills a member: another one has its partitions after the session,
// and its own all the time.
func (k *kafkaTest) testGone(t *testing.T) {
	s := series{partitions: parts, n: 40_000}
	k.topic(t, "gone", parts)
	a := k.member(t, "gone")
	a.awaitLog(t, assigned, 1)
	b := k.member(t, "gone")
	k.awaitShares(t, "gone", 2)
	k.put(t, "gone", 0, s.n/2, s.numbered)
	k.await(t, "gone-sealed", s.n/2)
	a.kill(t)
	begin := time.Now()
	k.put(t, "gone", s.n/2, s.n, s.numbered)
	k.await(t, "gone-sealed", s.n*3/4)
	t.Logf("the partitions of the living member are sealed after %v", time.Since(begin).Round(time.Millisecond))
	k.await(t, "gone-sealed", s.n)
	t.Logf("and all after %v, with a session of %v", time.Since(begin).Round(time.Millisecond), session)
	b.end(t)
	k.once(t, "gone-sealed", s)
}

// testOrphans kills a member without a name when it is about to end a
// transaction. Nobody will use its ids again, so the next leader of the group
// aborts what was left open. The broker says that a transaction is under way when
// it has begun to abort one; a leader that took this for a refusal would not
// know that it has aborted anything.
func (k *kafkaTest) testOrphans(t *testing.T) {
	s := series{partitions: parts, n: 40_000}
	k.topic(t, "orphans", parts)
	k.put(t, "orphans", 0, s.n, s.numbered)
	args := []string{
		"encrypt", "--key", k.key, "--workers", "2", "--read-ahead", "64KiB",
		"--from", k.proxy.url(fmt.Sprintf("orphans?group=orphans&session=%v", session)), "--to", k.proxy.url("orphans-sealed?create=true"),
	}
	k.killedAt(t, 4, false, "orphans-sealed", args...)
	begin := time.Now()
	p := start(t, args...)
	p.awaitLog(t, "aborted a transaction that was left open", 1)
	t.Logf("aborted %v after the kill, with a session of %v", time.Since(begin).Round(time.Millisecond), session)
	k.await(t, "orphans-sealed", s.n)
	t.Logf("everything is sealed after %v", time.Since(begin).Round(time.Millisecond))
	p.end(t)
	k.once(t, "orphans-sealed", s)
}

// testOneName starts a second process with the name of a first one, which ends
// with a code of its own.
func (k *kafkaTest) testOneName(t *testing.T) {
	s := series{partitions: parts, n: 40_000}
	k.topic(t, "name", parts)
	first := k.member(t, "name", "--instance", "a")
	k.put(t, "name", 0, s.n/2, s.numbered)
	k.await(t, "name-sealed", s.n/4)
	second := k.member(t, "name", "--instance", "a")
	second.awaitLog(t, assigned, 1)
	begin := time.Now()
	if code := first.exitCode(t); code != 4 || first.hasLogged("instance a: instance taken over") == 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("the older process has ended %v after the other one had its partitions", time.Since(begin).Round(time.Millisecond))
	k.put(t, "name", s.n/2, s.n, s.numbered)
	k.await(t, "name-sealed", s.n)
	second.end(t)
	k.once(t, "name-sealed", s)
}

// testEndedInJoin ends a member whose join waits for one that is dead.
func (k *kafkaTest) testEndedInJoin(t *testing.T) {
	k.topic(t, "join", parts)
	dead := k.memberFor(t, longSession, "join")
	dead.awaitLog(t, assigned, 1)
	dead.kill(t)
	p := k.memberFor(t, longSession, "join")
	p.awaitLog(t, "route open", 1)
	k.awaitJoin(t, "join")
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("it ended within %v", time.Since(begin).Round(time.Millisecond))
	if p.hasLogged(assigned) > 0 {
		t.Error("it did not wait in a join")
	}
}

// testOtherPrograms: a group of Kafka's own consumers is refused by the name of
// its protocol, and they go on. Kafka's tools understand a group of ours.
func (k *kafkaTest) testOtherPrograms(t *testing.T) {
	const sticky = "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
	for name, test := range map[string]struct{ property, protocol string }{
		"range":    {"client.id=other", "range"},
		"sticky":   {sticky, "cooperative-sticky"},
		"consumer": {"group.protocol=consumer", "consumer: "},
	} {
		t.Run(name, func(t *testing.T) {
			topic := "other-" + name
			s := series{partitions: parts, n: 200}
			k.topic(t, topic, parts)
			k.put(t, topic, 0, s.n/2, s.numbered)
			ctx, cancel := context.WithCancel(t.Context())
			read := make(chan string, 1)
			go func() {
				read <- k.java(ctx, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", topic, "--group", topic, "--from-beginning",
					"--max-messages", fmt.Sprint(s.n), "--timeout-ms", "240000", "--command-property", test.property,
					"--formatter-property", "print.key=true", "--formatter-property", "print.value=false")
			}()
			defer cancel()
			k.awaitShares(t, topic, 1)
			e := exitOf(t.Context(), t, "encrypt", "--key", k.key, "--from", k.url(topic+"?group="+topic), "--to", k.url(topic+"-sealed?create=true"))
			if e.code != 2 || !strings.Contains(e.stderr, test.protocol) {
				t.Errorf("exit code %d:\n%s", e.code, e.stderr)
			}
			k.put(t, topic, s.n/2, s.n, s.numbered)
			if out := <-read; !strings.Contains(out, fmt.Sprintf("Processed a total of %d messages", s.n)) {
				t.Errorf("the other program: ...%s", out[max(0, len(out)-2000):])
			}
		})
	}
	k.topic(t, "shown", parts)
	p := k.member(t, "shown")
	p.awaitLog(t, assigned, 1)
	out := k.java(t.Context(), "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--describe", "--group", "shown", "--members", "--verbose")
	if !strings.Contains(out, "shown:0,1,2,3") {
		t.Errorf("Kafka's tool does not show the partitions: %s", out)
	}
	p.end(t)
}

// java runs a program of Kafka's beside the broker and returns what it wrote.
func (k *kafkaServer) java(ctx context.Context, class string, args ...string) string {
	cmd := append([]string{"java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "/opt/kafka/libs/*", class,
		"--bootstrap-server", "localhost:9094"}, args...)
	_, out, err := k.container.Exec(ctx, cmd, tcexec.Multiplexed())
	if err != nil {
		return err.Error()
	}
	text, _ := io.ReadAll(out)
	return string(text)
}

// awaitShares waits until a group is at rest, has that many members, and each
// has partitions.
func (k *kafkaServer) awaitShares(t *testing.T, group string, members int) {
	t.Helper()
	k.awaitGroup(t, group, func(state string, shares []int) bool {
		return strings.EqualFold(state, "stable") && len(shares) == members && slices.Min(shares) > 0
	})
}

// awaitJoin waits until a round of a group has begun.
func (k *kafkaServer) awaitJoin(t *testing.T, group string) {
	t.Helper()
	k.awaitGroup(t, group, func(state string, _ []int) bool { return state == "PreparingRebalance" })
}

// awaitGroup waits until a group is as wanted: its state, and how many
// partitions each member has.
func (k *kafkaServer) awaitGroup(t *testing.T, group string, ready func(state string, shares []int) bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		state, shares := k.describeGroup(t, group)
		switch {
		case ready(state, shares):
			return
		case time.Now().After(deadline):
			t.Fatalf("group %s: %s, %v", group, state, shares)
		}
		k.waitFor(t, 50*time.Millisecond)
	}
}

// describeGroup returns the state of a group, of either protocol, and how many
// partitions each member has.
func (k *kafkaServer) describeGroup(t *testing.T, group string) (state string, shares []int) {
	t.Helper()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	if res, err := req.RequestWith(t.Context(), k.client); err == nil && len(res.Groups[0].Members) > 0 {
		for i := range res.Groups[0].Members {
			n := 0
			var a kmsg.ConsumerMemberAssignment
			if a.ReadFrom(res.Groups[0].Members[i].MemberAssignment) == nil {
				for _, topic := range a.Topics {
					n += len(topic.Partitions)
				}
			}
			shares = append(shares, n)
		}
		return res.Groups[0].State, shares
	}
	dealt := kmsg.NewPtrConsumerGroupDescribeRequest()
	dealt.Groups = []string{group}
	res, err := dealt.RequestWith(t.Context(), k.client)
	if err != nil {
		return err.Error(), nil
	}
	for i := range res.Groups[0].Members {
		n := 0
		for _, topic := range res.Groups[0].Members[i].Assignment.TopicPartitions {
			n += len(topic.Partitions)
		}
		shares = append(shares, n)
	}
	return res.Groups[0].State, shares
}
