package testcontainers

import (
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// anyLeader returns the leader of a partition of the ciphertext.
func (r *faultRun) anyLeader() *faultBroker {
	return r.leader(r.T, faultTopics[1], r.rnd.IntN(faultParts))
}

func (r *faultRun) groupCoordinator(group string) *faultBroker {
	return r.coordinator(r.T, group, false)
}

// killBroker kills a broker and starts it again, at once or after a while.
func killBroker(r *faultRun, b *faultBroker) {
	r.began = time.Now()
	b.kill(r.T)
	r.pause(0, 12*time.Second)
	b.raise(r.T)
}

// pauseBroker stops a broker for longer than its session with the controller, and lets it go on.
func pauseBroker(r *faultRun, b *faultBroker) {
	r.began = time.Now()
	b.pause(r.T)
	r.pause(11*time.Second, 16*time.Second)
	b.resume(r.T)
}

// isolateBroker cuts a broker off from the others, but not from its clients.
func isolateBroker(r *faultRun, b *faultBroker) {
	r.began = time.Now()
	r.cutOff(r.T, b)
	r.pause(11*time.Second, 16*time.Second)
	r.join(r.T, b)
}

// restartBrokers restarts one broker after the other, as an operator does: the next one when all replicas are back.
func restartBrokers(r *faultRun) {
	for _, i := range r.rnd.Perm(len(r.brokers)) {
		r.brokers[i].restart(r.T)
		r.waitFor(r.T, time.Second)
		r.eventually(r.T, "all replicas", r.whole)
	}
}

// fillDisk takes all room from a broker, which ends by it, and gives the room back.
func fillDisk(r *faultRun) {
	b := r.brokers[r.rnd.IntN(len(r.brokers))]
	b.fillDisk(r.T)
	r.pause(8*time.Second, 12*time.Second)
	b.freeDisk(r.T)
	b.inside(r.T, "kill -9 $(cat /tmp/pid) || true") // one that lives takes no directory back that had no room
}

// prepared finds the moment between the end of a transaction, which its coordinator has noted, and the markers in the partitions.
type prepared struct {
	mu      sync.Mutex
	wrote   map[string][]*faultBroker // by transactional id: the leaders that the open transaction wrote to
	chosen  string                    // transactional id
	at      chan preparedEnd          // gets one
	proceed chan struct{}             // closed when the request may go on
	noted   chan struct{}             // closed when it has been answered
}

// preparedEnd is the end of a transaction that is about to be noted.
type preparedEnd struct{ coordinator, leader *faultBroker }

// rules are those of the proxy of a broker.
func (p *prepared) rules(r *faultRun, b *faultBroker) proxyRules {
	return proxyRules{
		asked: func(request kafkaRequest) bool {
			if request.key() != kmsg.EndTxn {
				return true
			}
			end := kmsg.NewPtrEndTxnRequest()
			if err := request.read(end); err != nil {
				r.Error(err)
				return false
			}
			if leader := p.choose(end, b); leader != nil {
				p.at <- preparedEnd{b, leader}
				<-p.proceed
			}
			return true
		},
		answered: func(request kafkaRequest) bool {
			p.noteAnswer(r, request, b)
			return true
		},
	}
}

// choose returns the leader to be stopped if this is the transaction to do it with.
func (p *prepared) choose(end *kmsg.EndTxnRequest, at *faultBroker) *faultBroker {
	p.mu.Lock()
	defer p.mu.Unlock()
	wrote := p.wrote[end.TransactionalID]
	delete(p.wrote, end.TransactionalID)
	i := slices.IndexFunc(wrote, func(b *faultBroker) bool { return b != at })
	if p.chosen != "" || !end.Commit || i < 0 {
		return nil
	}
	p.chosen = end.TransactionalID
	return wrote[i]
}

func (p *prepared) noteAnswer(r *faultRun, request kafkaRequest, b *faultBroker) {
	switch request.key() {
	case kmsg.EndTxn:
		end := kmsg.NewPtrEndTxnRequest()
		if err := request.read(end); err != nil {
			r.Error(err)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if end.TransactionalID == p.chosen {
			select {
			case <-p.noted:
			default:
				close(p.noted)
			}
		}
	case kmsg.Produce:
		produce := kmsg.NewPtrProduceRequest()
		if err := request.read(produce); err != nil {
			r.Error(err)
			return
		}
		if produce.TransactionID == nil {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wrote[*produce.TransactionID] = append(p.wrote[*produce.TransactionID], b)
	}
}

// killPrepared kills the coordinator of a transaction when it has noted the end, and before a leader of one of its partitions,
// which is stopped meanwhile, has written the marker.
func killPrepared(r *faultRun) {
	p := &prepared{
		wrote: map[string][]*faultBroker{}, at: make(chan preparedEnd, 1), proceed: make(chan struct{}), noted: make(chan struct{}),
	}
	for _, b := range r.brokers {
		b.proxy.use(r.T, p.rules(r, b))
	}
	defer func() {
		for _, b := range r.brokers {
			b.proxy.use(r.T, proxyRules{})
		}
	}()
	select {
	case end := <-p.at:
		r.began = time.Now()
		end.leader.pause(r.T)
		close(p.proceed)
		select {
		case <-p.noted:
		case <-time.After(5 * time.Second):
			r.Error("the end of a transaction was not answered")
		}
		end.coordinator.kill(r.T)
		end.leader.resume(r.T)
		r.pause(0, 10*time.Second)
		end.coordinator.raise(r.T)
	case <-time.After(time.Minute):
		r.Fatal("no transaction wrote to a leader that is not its coordinator")
	}
}
