package testcontainers

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testLostAnswers closes the connection in place of the answer to every seventh
// produce. What is sent again is what was sent, and is stored once.
func (k *kafkaTest) testLostAnswers(t *testing.T) {
	s := series{partitions: 1, n: 100_000}
	k.topic(t, "unsure", 1)
	k.put(t, "unsure", 0, s.n, s.numbered)
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		t.Run(delivery, func(t *testing.T) {
			sealed, opened := "unsure-sealed-"+delivery, "unsure-opened-"+delivery
			var sent stamps
			var answers atomic.Int64
			k.proxy.use(t, proxyRules{
				asked: func(r kafkaRequest) bool {
					return r.key() != kmsg.Produce || sent.note(t, r)
				},
				answered: func(r kafkaRequest) bool {
					if r.key() != kmsg.Produce || answers.Add(1)%7 != 0 {
						return true
					}
					sent.noteLoss()
					return false
				},
			})
			streamcrypt(t.Context(), t, "encrypt", "--key", k.key, "--read-ahead", "128KiB", "--from", k.proxy.url("unsure?until=latest&group="+delivery),
				"--to", k.proxy.url(sealed+"?create=true&delivery="+delivery))
			lost, again := sent.again(t)
			if lost < 10 || again < lost/2 {
				t.Errorf("%d answers were lost, and %d batches were sent again as they were", lost, again)
			}
			next := int64(0)
			k.read(t, sealed, 1, func(r *kgo.Record) {
				if r.Offset != next && delivery == "at-least-once" {
					t.Fatalf("%s follows on %d", place(r), next-1)
				}
				next++
			})
			k.once(t, sealed, s)
			k.run(t, "decrypt", k.url(sealed+"?until=latest"), k.url(opened+"?create=true"))
			k.compare(t, opened, s, s.numbered)
		})
	}
}

// stamps are the batches that went to one partition, in order.
type stamps struct {
	mu   sync.Mutex
	all  []stamp
	lost []int // those whose answer was lost
}

// stamp is what makes a batch known to the broker, and a checksum of all that
// it holds.
type stamp struct {
	producer                 int64
	epoch                    int16
	sequence, count, content int32
}

// noteLoss notes that the answer to the last batch was lost. There is one
// request under way at a time.
func (s *stamps) noteLoss() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = append(s.lost, len(s.all)-1)
}

// note notes a produce. It is false if that cannot be read.
func (s *stamps) note(t *testing.T, r kafkaRequest) bool {
	req := kmsg.NewPtrProduceRequest()
	var b kmsg.RecordBatch
	if err := r.read(req); err != nil {
		t.Error(err)
		return false
	}
	if err := b.ReadFrom(req.Topics[0].Partitions[0].Records); err != nil {
		t.Error(err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, stamp{b.ProducerID, b.ProducerEpoch, b.FirstSequence, b.NumRecords, b.CRC})
	return true
}

// again returns how many answers were lost, and after how many of them the
// batch was sent once more as it was. On a busy machine a batch may also be
// sent again because its answer took too long, and a transaction aborted; any
// batch must be the one before once more, follow on it, or begin.
func (s *stamps) again(t *testing.T) (lost, again int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.all); i++ {
		was, is := s.all[i-1], s.all[i]
		switch {
		case is == was:
			if slices.Contains(s.lost, i-1) {
				again++
			}
		case is.producer == was.producer && is.epoch == was.epoch && is.sequence == was.sequence+was.count && !slices.Contains(s.lost, i-1):
		case is.producer == was.producer && is.epoch > was.epoch && is.sequence == 0:
		default:
			t.Errorf("batch %d is %+v, and the one before was %+v", i, is, was)
		}
	}
	return len(s.lost), again
}

// killedAt runs a command through the proxy and takes it away between the
// TxnOffsetCommit and the EndTxn of its n-th transaction: in place of the
// answer to the one, or when the other is on its way.
func (k *kafkaTest) killedAt(t *testing.T, n int, answered bool, sealed string, args ...string) {
	t.Helper()
	var p *process
	var seen atomic.Int64
	started := make(chan struct{})
	rule := func(key kmsg.Key) func(kafkaRequest) bool {
		return func(r kafkaRequest) bool {
			<-started
			if r.key() != key || seen.Add(1) < int64(n) {
				return true
			}
			_ = p.cmd.Process.Kill()
			<-p.ended // so that it cannot ask again
			return false
		}
	}
	rules := proxyRules{asked: rule(kmsg.EndTxn)}
	if answered {
		rules = proxyRules{answered: rule(kmsg.TxnOffsetCommit)}
	}
	k.proxy.use(t, rules)
	p = start(t, args...)
	close(started)
	<-p.ended
	p.killed(t)
	if slices.Equal(k.ends(t, sealed, parts), k.stable(t, sealed, parts)) {
		t.Errorf("killed in transaction %d, and none is open", n)
	}
	k.proxy.use(t, proxyRules{})
}

// testKilledInTransaction takes one run with an end after the other away, each
// in a later one of its transactions. The next one aborts at once what was
// left, and nothing is missing or there twice.
func (k *kafkaTest) testKilledInTransaction(t *testing.T) {
	s := series{partitions: parts, n: 400_000}
	k.topic(t, "cut", parts)
	k.put(t, "cut", 0, s.n, s.numbered)
	args := []string{
		"encrypt", "--key", k.key, "--instance", "one", "--workers", "2", "--read-ahead", "64KiB",
		"--from", k.proxy.url("cut?until=latest&group=cut"), "--to", k.proxy.url("cut-sealed?create=true&delivery=exactly-once"),
	}
	for i, n := range []int{1, 2, 3, 5, 7} {
		k.killedAt(t, n, i%2 == 0, "cut-sealed", args...)
	}
	streamcrypt(t.Context(), t, args...)
	k.once(t, "cut-sealed", s)
	k.run(t, "decrypt", k.url("cut-sealed?until=latest&group=dec"), k.url("cut-opened?create=true"))
	k.compare(t, "cut-opened", s, s.numbered)
}

// testKilledMemberInTransaction does so with a member of a group, which comes
// back under its name.
func (k *kafkaTest) testKilledMemberInTransaction(t *testing.T) {
	s := series{partitions: parts, n: 200_000}
	k.topic(t, "member-cut", parts)
	k.put(t, "member-cut", 0, s.n, s.numbered)
	args := []string{
		"encrypt", "--key", k.key, "--instance", "one", "--workers", "2", "--read-ahead", "64KiB",
		"--from", k.proxy.url("member-cut?group=member-cut"), "--to", k.proxy.url("member-cut-sealed?create=true"),
	}
	k.killedAt(t, 4, true, "member-cut-sealed", args...)
	p := start(t, args...)
	k.await(t, "member-cut-sealed", s.n)
	p.end(t)
	k.once(t, "member-cut-sealed", s)
}

// testHandover measures how long a member works on partitions that it must let
// go, from another member's wish to join until its own. How long that takes is
// logged; it fails the test only where something must have been waited for.
func (k *kafkaTest) testHandover(t *testing.T) {
	s := series{partitions: parts, n: 300_000}
	k.topic(t, "handover", parts)
	k.put(t, "handover", 0, s.n/2, s.numbered)
	h := handover{done: make(chan struct{})}
	k.proxy.use(t, proxyRules{asked: func(r kafkaRequest) bool { return h.note(t, r) }})
	args := []string{"encrypt", "--key", k.key, "--from", k.proxy.url("handover?group=handover"), "--to", k.proxy.url("handover-sealed?create=true"), "--instance"}
	first := start(t, append(args, "a")...)
	k.await(t, "handover-sealed", s.n/2) // so that nothing but a fetch that waits for more is under way
	second := start(t, append(slices.Clone(args), "b")...)
	h.over(t)
	k.put(t, "handover", s.n/2, s.n, s.numbered)
	k.await(t, "handover-sealed", s.n)
	first.end(t)
	second.end(t)
	k.once(t, "handover-sealed", s)
	h.mu.Lock()
	defer h.mu.Unlock()
	took := h.again.Sub(h.wish)
	t.Logf("the first member let go after %v", took.Round(time.Millisecond))
	if took > 20*time.Second { // rebalance= is 30 s
		t.Error("that is too long")
	}
}

// handover is when a second member asked to join a group, and the first one to
// join it again.
type handover struct {
	mu          sync.Mutex
	first       string // id of the first member
	wish, again time.Time
	done        chan struct{} // closed when both are known
}

// over waits until the first member has joined again.
func (h *handover) over(t *testing.T) {
	t.Helper()
	select {
	case <-h.done:
	case <-time.After(patience):
		t.Fatal("the second member did not join, or the first not again")
	}
}

// note notes a request. It is false if that cannot be read.
func (h *handover) note(t *testing.T, r kafkaRequest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.key() == kmsg.SyncGroup && h.first == "" {
		sync := kmsg.NewPtrSyncGroupRequest()
		if err := r.read(sync); err != nil {
			t.Error(err)
			return false
		}
		h.first = sync.MemberID
	}
	if r.key() != kmsg.JoinGroup || h.first == "" {
		return true
	}
	join := kmsg.NewPtrJoinGroupRequest()
	if err := r.read(join); err != nil {
		t.Error(err)
		return false
	}
	switch {
	case join.MemberID == "" && h.wish.IsZero():
		h.wish = time.Now()
	case join.MemberID == h.first && h.again.IsZero() && !h.wish.IsZero():
		h.again = time.Now()
		close(h.done)
	}
	return true
}
