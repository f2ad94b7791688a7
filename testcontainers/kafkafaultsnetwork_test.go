package testcontainers

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// everywhere sets rules for the connections to all brokers until the function
// that it returns is called.
func (r *faultRun) everywhere(rules proxyRules) (off func()) {
	for _, b := range r.brokers {
		b.proxy.use(r.T, rules)
	}
	return func() {
		for _, b := range r.brokers {
			b.proxy.use(r.T, proxyRules{})
		}
	}
}

// cutConnections closes all connections of members, several times.
func cutConnections(r *faultRun) {
	for range 5 {
		for _, b := range r.brokers {
			b.proxy.cut()
		}
		r.pause(0, 1500*time.Millisecond)
	}
}

// refuseConnections takes a broker away from the members, which all other
// clients and brokers reach.
func refuseConnections(r *faultRun) {
	b := r.brokers[r.rnd.IntN(len(r.brokers))]
	b.proxy.use(r.T, proxyRules{asked: func(kafkaRequest) bool { return false }})
	b.proxy.cut()
	r.pause(4*time.Second, 14*time.Second)
	b.proxy.use(r.T, proxyRules{})
}

// stallRequests holds all requests of members to a broker back. They reach it
// late, and nobody waits for their answers any more.
func stallRequests(r *faultRun) {
	b := r.brokers[r.rnd.IntN(len(r.brokers))]
	over := make(chan struct{})
	b.proxy.use(r.T, proxyRules{asked: func(kafkaRequest) bool {
		<-over
		return true
	}})
	r.pause(4*time.Second, 14*time.Second)
	b.proxy.use(r.T, proxyRules{})
	close(over)
}

// loseAnswers closes the connection in the place of some answers to each kind
// of request, while a member joins and leaves.
func loseAnswers(r *faultRun) {
	var mu sync.Mutex
	asked, lost := map[kmsg.Key]int{}, map[kmsg.Key]int{}
	every := 3 + r.rnd.IntN(4)
	off := r.everywhere(proxyRules{answered: func(request kafkaRequest) bool {
		key := request.key()
		if slices.Contains([]kmsg.Key{kmsg.ApiVersions, kmsg.SASLHandshake, kmsg.SASLAuthenticate, kmsg.Metadata}, key) {
			return true
		}
		mu.Lock()
		defer mu.Unlock()
		asked[key]++
		if asked[key]%every > 0 {
			return true
		}
		lost[key]++
		return false
	}})
	r.pause(3*time.Second, 5*time.Second)
	joining := r.members.start(r.T, sealers, "")
	r.pause(3*time.Second, 5*time.Second)
	r.members.end(r.T, joining)
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return lost[kmsg.Produce] > 1 && lost[kmsg.EndTxn] > 1 && lost[kmsg.TxnOffsetCommit] > 1
	}
	r.pause(time.Second, 3*time.Second)
	for begin := time.Now(); !enough() && time.Since(begin) < patience; {
		r.waitFor(r.T, 50*time.Millisecond)
	}
	off()
	if !enough() {
		r.Error("no answers were lost that count")
	}
	mu.Lock()
	defer mu.Unlock()
	text := ""
	for _, key := range []kmsg.Key{
		kmsg.Produce, kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.InitProducerID,
		kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.OffsetFetch, kmsg.Fetch,
	} {
		text += fmt.Sprintf(" %s %d", key.Name(), lost[key])
	}
	r.Logf("answers lost: one in %d;%s", every, text)
}

// lateEnds holds the end of a transaction back until the next one has written
// something. Then its member is killed: what the late end has committed by
// mistake would be there twice.
type lateEnds struct {
	mu    sync.Mutex
	id    string        // transactional id of the one that is held; empty if none is
	due   chan struct{} // closed when it may go on
	over  bool          // nothing is held any more
	codes map[int16]int // answers to those that came late
	came  chan string   // gets the transactional id of each
	wait  sync.WaitGroup
}

func (l *lateEnds) rules(r *faultRun) proxyRules {
	return proxyRules{
		held: func(request kafkaRequest) *heldRequest {
			if request.key() != kmsg.EndTxn {
				return nil
			}
			end := kmsg.NewPtrEndTxnRequest()
			if err := request.read(end); err != nil {
				r.Error(err)
				return nil
			}
			return l.hold(end)
		},
		answered: func(request kafkaRequest) bool {
			if request.key() != kmsg.Produce {
				return true
			}
			produce := kmsg.NewPtrProduceRequest()
			if err := request.read(produce); err != nil {
				r.Error(err)
				return true
			}
			l.noteWritten(produce.TransactionID)
			return true
		},
	}
}

func (l *lateEnds) hold(end *kmsg.EndTxnRequest) *heldRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id != "" || l.over || !end.Commit || !strings.HasPrefix(end.TransactionalID, sealers) {
		return nil
	}
	l.id, l.due = end.TransactionalID, make(chan struct{})
	l.wait.Add(1)
	return &heldRequest{due: l.due, answered: func(answer kmsg.Response) {
		l.mu.Lock()
		defer l.mu.Unlock()
		code := int16(-1000) // no answer
		if answer, ok := answer.(*kmsg.EndTxnResponse); ok {
			code = answer.ErrorCode
		}
		l.codes[code]++
		l.came <- l.id
		l.id = ""
		l.wait.Done()
	}}
}

// noteWritten lets the end that is held go on, if this is the transaction after
// it: the client sends nothing between an end and its answer, or the end of its
// own wait.
func (l *lateEnds) noteWritten(id *string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id != nil && l.id == *id {
		l.letGo()
	}
}

// letGo lets the request go on. l.mu is held.
func (l *lateEnds) letGo() {
	select {
	case <-l.due:
	default:
		close(l.due)
	}
}

// holdEnds holds ends of transactions back, one after the other.
func holdEnds(r *faultRun) {
	l := &lateEnds{codes: map[int16]int{}, came: make(chan string, 8)}
	off := r.everywhere(l.rules(r))
	timeout := time.After(2 * time.Minute)
	for kills := 0; kills < 4; kills++ {
		select {
		case id := <-l.came:
			r.killOwner(id)
		case <-timeout:
			kills = 4
		}
	}
	l.mu.Lock()
	l.over = true
	if l.id != "" {
		l.letGo()
	}
	l.mu.Unlock()
	l.wait.Wait()
	off()
	r.Logf("late ends of transactions were answered: %v", l.codes)
	if len(l.codes) == 0 {
		r.Error("nothing was held")
	}
}

// killOwner kills the member that a transactional id belongs to, and starts it
// again.
func (r *faultRun) killOwner(id string) {
	one := r.members.of(sealers, false)[0] // its ids have a random part
	for _, named := range r.members.of(sealers, true) {
		if strings.HasPrefix(id, sealers+"-"+named.name+"-") {
			one = named
		}
	}
	one.kill(r.T)
	r.members.replace(r.T, one)
}
