package testcontainers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// prepared holds the end of one transaction that has written to the ciphertext.
type prepared struct {
	mu    sync.Mutex
	wrote map[string]bool // by transactional id: the open transaction has written
	id    string          // of the one that is held

	held    chan *faultBroker // gets its coordinator
	proceed chan struct{}     // closed when the request may go on
	noted   chan struct{}     // closed when it has been answered; then nil
}

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
			if p.choose(end) {
				p.held <- b
				<-p.proceed
			}
			return true
		},
		answered: func(request kafkaRequest) bool {
			p.noteAnswer(r, request)
			return true
		},
	}
}

// choose tells whether this is the transaction.
func (p *prepared) choose(end *kmsg.EndTxnRequest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	wrote := p.wrote[end.TransactionalID]
	delete(p.wrote, end.TransactionalID)
	if p.id != "" || !end.Commit || !wrote {
		return false
	}
	p.id = end.TransactionalID
	return true
}

func (p *prepared) noteAnswer(r *faultRun, request kafkaRequest) {
	if request.key() != kmsg.EndTxn && request.key() != kmsg.Produce {
		return
	}
	end, produce := kmsg.NewPtrEndTxnRequest(), kmsg.NewPtrProduceRequest()
	into := kmsg.Request(end)
	if request.key() == kmsg.Produce {
		into = produce
	}
	if err := request.read(into); err != nil {
		r.Error(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id := produce.TransactionID; id != nil && strings.HasPrefix(*id, sealers) {
		p.wrote[*id] = true
	}
	if p.id != "" && end.TransactionalID == p.id && p.noted != nil {
		close(p.noted)
		p.noted = nil
	}
}

// killPrepared kills the coordinator of a transaction when it has noted the
// end, and before any leader has written the marker. Leaders cannot: one broker
// is down, and the topic wants all replicas, while the log of transactions does
// with two.
func killPrepared(r *faultRun) {
	down := r.brokers[r.rnd.IntN(len(r.brokers))]
	down.kill(r.T)
	r.eventually(r.T, "replicas without a dead broker", func(ctx context.Context) bool { return r.without(ctx, down) })
	noted := make(chan struct{})
	p := &prepared{
		wrote: map[string]bool{}, held: make(chan *faultBroker, 1), proceed: make(chan struct{}), noted: noted,
	}
	for _, b := range r.brokers {
		b.proxy.use(r.T, p.rules(r, b))
	}
	var coordinator *faultBroker
	select {
	case coordinator = <-p.held:
	case <-time.After(patience):
		r.Fatal("no transaction ended")
	}
	r.began = time.Now()
	r.setMinISR("3")
	close(p.proceed)
	select {
	case <-noted:
	case <-time.After(patience):
		r.Error("the end of a transaction was not answered")
	}
	switch state, err := r.transactionState(p.id, coordinator); {
	case errors.Is(err, kerr.NotCoordinator): // on a busy machine brokers lose each other meanwhile
		r.Logf("another broker has the log of transactions since the end was sent; the fault is a killed broker only")
	case err != nil || state != "PrepareCommit":
		r.Errorf("the transaction is in state %q: %v", state, err)
	}
	coordinator.kill(r.T)
	for _, b := range r.brokers {
		b.proxy.use(r.T, proxyRules{})
	}
	down.raise(r.T)
	r.pause(0, 10*time.Second)
	coordinator.raise(r.T)
	r.setMinISR("2")
}

// without tells whether no partition counts on a broker any more.
func (c *faultCluster) without(ctx context.Context, b *faultBroker) bool {
	req := kmsg.NewPtrMetadataRequest()
	res, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return false
	}
	for _, topic := range res.Topics {
		for _, p := range topic.Partitions {
			if p.Leader <= 0 || slices.Contains(p.ISR, b.id) {
				return false
			}
		}
	}
	return true
}

// setMinISR says how many replicas the ciphertext must be on, and waits until
// all brokers that live go by it.
func (r *faultRun) setMinISR(n string) {
	r.Helper()
	topic := faultTopics[1]
	r.eventually(r.T, "min.insync.replicas", func(ctx context.Context) bool {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		resource := kmsg.NewIncrementalAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = "min.insync.replicas", &n
		resource.Configs = append(resource.Configs, config)
		req.Resources = append(req.Resources, resource)
		res, err := req.RequestWith(ctx, r.client)
		return err == nil && res.Resources[0].ErrorCode == 0
	})
	r.eventually(r.T, "min.insync.replicas on all brokers", func(ctx context.Context) bool {
		metadata := kmsg.NewPtrMetadataRequest()
		alive, err := metadata.RequestWith(ctx, r.client)
		if err != nil {
			return false
		}
		for _, b := range alive.Brokers {
			req := kmsg.NewPtrDescribeConfigsRequest()
			resource := kmsg.NewDescribeConfigsRequestResource()
			resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
			resource.ConfigNames = []string{"min.insync.replicas"}
			req.Resources = append(req.Resources, resource)
			answer, err := r.client.Broker(int(b.NodeID)).Request(ctx, req)
			if err != nil {
				return false
			}
			got := answer.(*kmsg.DescribeConfigsResponse).Resources[0]
			if len(got.Configs) == 0 || got.Configs[0].Value == nil || *got.Configs[0].Value != n {
				return false
			}
		}
		return true
	})
}

// transactionState asks a coordinator how far a transaction is.
func (r *faultRun) transactionState(id string, coordinator *faultBroker) (string, error) {
	r.Helper()
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	answer, err := r.client.Broker(int(coordinator.id)).Request(r.Context(), req)
	if err != nil {
		return "", err
	}
	state := &answer.(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
	return state.State, kerr.ErrorForCode(state.ErrorCode)
}
