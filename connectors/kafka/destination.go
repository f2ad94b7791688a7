package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// destination is a topic that a Sink writes.
type destination struct {
	*cluster.Topic
	settings cluster.Settings
	maxBatch int // its max.message.bytes
}

// destinationTable is the topics that a Sink has opened, by name.
type destinationTable struct {
	opening sync.Mutex // held while one is opened after the start
	mu      sync.RWMutex
	byName  map[string]*destination
}

func (d *destinationTable) find(name string) *destination {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byName[name]
}

func (d *destinationTable) put(to *destination) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byName == nil {
		d.byName = make(map[string]*destination)
	}
	d.byName[to.Name()] = to
}

// openDestinations opens the topic, or those for all topics that the Source has
// now.
func (s *Sink) openDestinations(ctx context.Context) error {
	if !s.names.IsMapped() {
		return s.openDestination(ctx, s.Topic, "")
	}
	if s.Source == nil {
		return fmt.Errorf("kafka topic %s: a template, and the source is not of Kafka", s.Topic)
	}
	return firstOf(askEach(s.Source.topics.allTopics(), func(from *sourceTopic) error {
		name, err := s.names.NameFor(from.Name())
		if err != nil {
			return err
		}
		return s.openDestination(ctx, name, from.Name())
	}))
}

// firstOf returns the first error, and says how many more there are.
func firstOf(errs []error) error {
	var first error
	more := 0
	for _, err := range errs {
		switch {
		case err == nil:
		case first == nil:
			first = err
		default:
			more++
		}
	}
	if more > 0 {
		return fmt.Errorf("%w; so it is with %d more topics", first, more)
	}
	return first
}

// openDestination opens a topic, or makes it, and checks that it can take the
// messages of a topic of the Source. An empty from stands for all.
func (s *Sink) openDestination(ctx context.Context, name, from string) error {
	to, err := s.openTopic(ctx, name, from)
	if err == nil {
		err = s.checkTopic(to, from)
	}
	if err == nil {
		err = s.cluster.CheckTopicRight(ctx, name, "Write")
	}
	if err == nil {
		s.destinations.put(to)
	}
	return err
}

// openPatience is how long messages wait for the topic that they are written
// to, if that was not there before. Then their places are parked.
const openPatience = 5 * time.Second

// destinationFor returns the topic for the messages of a topic, which may be
// new. It is nil if that is not known yet, and open is false.
func (s *Sink) destinationFor(ctx context.Context, from string, open bool) (*destination, error) {
	name, err := s.names.NameFor(from)
	if err != nil {
		return nil, err
	}
	if to := s.destinations.find(name); to != nil || !open {
		return to, nil
	}
	s.destinations.opening.Lock()
	defer s.destinations.opening.Unlock()
	if to := s.destinations.find(name); to != nil {
		return to, nil
	}
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	if err := s.openDestination(ctx, name, from); err != nil {
		return nil, err
	}
	s.Log.Info("kafka: a destination was opened for a topic", "topic", from, "destination", name)
	return s.destinations.find(name), nil
}

// openAhead opens the destinations for topics that begin to be read, so that
// the first messages need not wait. What goes wrong shows with them.
func (s *Source) openAhead(ctx context.Context, slots []int32) {
	var before *sourceTopic
	for _, n := range slots {
		t := s.topics.at(n).topic
		if t == before {
			continue
		}
		before = t
		for _, sink := range s.feeds {
			if _, err := sink.destinationFor(ctx, t.Name(), true); err != nil && ctx.Err() == nil {
				s.Log.Warn("kafka: a topic has no destination", "topic", t.Name(), "error", err)
			}
		}
	}
}

// errNoDestination is a destination that was deleted while it was written.
func errNoDestination(to *destination) error {
	return fmt.Errorf("kafka topic %s: %w", to.Name(), cluster.ErrNoTopic)
}

// deletedTime is how long brokers must not know one of several destinations
// before those that come from its source are parked.
const deletedTime = 3 * time.Second

// isDeleted tells whether a destination is to be given up for the time being.
func (s *Sink) isDeleted(to *destination) bool {
	since := to.MissingSince()
	return s.names.IsMapped() && !since.IsZero() && time.Since(since) > deletedTime
}

// lookAtDestinations asks about destinations, with one request. With a template
// a topic that is missing or was replaced stops only the messages for it.
func (s *Sink) lookAtDestinations(ctx context.Context, all []*destination) error {
	if !s.names.IsMapped() {
		if err := all[0].Refresh(ctx); errors.Is(err, cluster.ErrReplaced) {
			return err
		}
		return nil
	}
	topics := make([]*cluster.Topic, len(all))
	for i, to := range all {
		topics[i] = to.Topic
	}
	_ = s.cluster.RefreshTopics(ctx, topics) // the write tells what is wrong
	return nil
}
