package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// produceTimeout is how long a leader waits for its replicas before it says
// that they are late.
const produceTimeout = 5 * time.Second

// sender sends batches to the leaders of their partitions, one request to each
// leader at a time, until every batch is stored. A retry sends the same bytes,
// so that they are stored once.
type sender struct {
	adding   bool       // see wire.ProduceRequest
	requests []*request // recycled
	open     []int      // indexes of batches that are not stored yet
	left     []int
}

// request is the part of a round for one leader.
type request struct {
	wire.ProduceRequest
	parcels []int // their indexes
	answer  *wire.ProduceResponse
	err     error
}

// sendAll returns when all batches are stored or refused for their records, or
// one never will be, or ctx is done.
func (s *sender) sendAll(ctx context.Context, to *Sink, transactionalID string, parcels []parcel) error {
	s.open = s.open[:0]
	for i := range parcels {
		s.open = append(s.open, i)
	}
	r := to.cluster.NewRetry("write topic " + to.Topic)
	for {
		requests := s.groupByLeader(transactionalID, parcels)
		exchangeAll(ctx, to, parcels, requests)
		worst := s.keepUnstored(parcels, requests)
		if len(s.open) == 0 {
			r.Reset()
			return nil
		}
		if err := r.Wait(ctx, worst); err != nil {
			return err
		}
		if err := s.lookAgain(ctx, to, parcels); err != nil {
			return err
		}
		if len(s.open) == 0 {
			return nil
		}
	}
}

// lookAgain asks who leads the open batches. With a template those for topics
// that were deleted are refused: the others must not wait for them.
func (s *sender) lookAgain(ctx context.Context, to *Sink, parcels []parcel) error {
	if !to.names.IsMapped() {
		err := parcels[s.open[0]].outlet.to.Refresh(ctx)
		if err != nil && cluster.JudgeError(err) != cluster.Again && ctx.Err() == nil {
			return err
		}
		return nil
	}
	topics := make([]*cluster.Topic, len(s.open))
	for n, i := range s.open {
		topics[n] = parcels[i].outlet.to.Topic
	}
	if err := to.cluster.RefreshTopics(ctx, topics); err != nil {
		return nil //nolint:nilerr // the next try tells
	}
	s.left = s.left[:0]
	for _, i := range s.open {
		p := &parcels[i]
		switch {
		case to.isDeleted(p.outlet.to):
			p.refused = errNoDestination(p.outlet.to)
			continue
		case p.outlet.to.IsReplaced():
			return fmt.Errorf("%w: kafka topic %s: %w", pipeline.ErrLost, p.outlet.to.Name(), cluster.ErrReplaced)
		}
		s.left = append(s.left, i)
	}
	s.open, s.left = s.left, s.open
	return nil
}

// groupByLeader makes one request per leader of the open batches. Batches whose
// partition has no leader go to broker -1, which answers so.
func (s *sender) groupByLeader(transactionalID string, parcels []parcel) []*request {
	n := 0
	for _, i := range s.open {
		leader := parcels[i].outlet.to.Leader(parcels[i].partition).Broker
		var to *request
		for _, r := range s.requests[:n] {
			if r.Broker == leader {
				to = r
			}
		}
		if to == nil {
			if n == len(s.requests) {
				s.requests = append(s.requests, new(request))
			}
			to = s.requests[n]
			n++
			to.parcels, to.Partitions = to.parcels[:0], to.Partitions[:0]
			to.Broker, to.TransactionalID, to.Adding = leader, transactionalID, s.adding
			to.Acks, to.Timeout = wire.AllReplicas, produceTimeout
		}
		to.parcels = append(to.parcels, i)
		to.Partitions = append(to.Partitions, wire.ProducePartition{
			Topic: parcels[i].outlet.to.Name(), Partition: parcels[i].partition, Batch: parcels[i].batch,
		})
	}
	return s.requests[:n]
}

// exchangeAll sends the requests at the same time and returns when all have
// been answered, or left.
func exchangeAll(ctx context.Context, to *Sink, parcels []parcel, requests []*request) {
	if len(requests) == 1 {
		requests[0].produce(ctx, to, parcels)
		return
	}
	var all sync.WaitGroup
	for _, r := range requests {
		all.Go(func() { r.produce(ctx, to, parcels) })
	}
	all.Wait()
}

// keepUnstored keeps the batches open that are not stored, and returns the
// error that decides about them.
func (s *sender) keepUnstored(parcels []parcel, requests []*request) (worst error) {
	s.left = s.left[:0]
	for _, r := range requests {
		for n, i := range r.parcels {
			err := r.err
			if err == nil {
				err = r.answer.Partitions[n].Err
			}
			if err == nil || errors.Is(err, kafkago.DuplicateSequenceNumber) {
				continue
			}
			p := &parcels[i]
			if cluster.IsDoubtful(err) {
				p.outlet.to.Cluster().NoteDoubt(r.Broker)
			}
			switch {
			case isRefusal(err) && !p.unknown:
				p.refused, p.named = err, r.answer.Partitions[n].Refused
				continue
			case isRefusal(err):
				err = fmt.Errorf("%w: %w", errUnknownBefore, err)
			case isUnknown(err):
				p.unknown = true
			}
			if worst == nil || cluster.JudgeError(err) > cluster.JudgeError(worst) {
				worst = fmt.Errorf("%s: %w", cluster.PlaceOf(p.outlet.to.Name(), parcels[i].partition), err)
			}
			s.left = append(s.left, i)
		}
	}
	s.open, s.left = s.left, s.open
	return worst
}
