package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// topicSet is the topics that a Source reads. Lanes and tables name a partition
// by its slot: a number that the set gives to each, which for the first topic
// of a set is the partition's own. A slot stays its partition's for ever.
type topicSet struct {
	cluster *cluster.Cluster
	names   TopicNames
	log     *slog.Logger

	refreshing sync.Mutex // held while all are asked for
	mu         sync.RWMutex
	byName     map[string]*sourceTopic
	inOrder    []*sourceTopic
	slots      []slot
}

// sourceTopic is one topic of a Source.
type sourceTopic struct {
	*cluster.Topic
	maxBatch atomic.Int64 // its max.message.bytes; 0 if it is unknown
	settings atomic.Pointer[cluster.Settings]
	slots    []int32     // by partition; guarded by topicSet.mu
	gone     atomic.Bool // it was told that the topic is missing
}

// readSettings returns nil if the settings are not known.
func (t *sourceTopic) readSettings() cluster.Settings {
	if s := t.settings.Load(); s != nil {
		return *s
	}
	return nil
}

// slot is a partition of a topic.
type slot struct {
	topic  *sourceTopic
	number int32
	place  string
}

// openTopics finds the topics and what the brokers say of them. Each must
// exist.
func openTopics(ctx context.Context, c *cluster.Cluster, names TopicNames, found []string,
	log *slog.Logger) (*topicSet, error) {
	s := &topicSet{cluster: c, names: names, log: log, byName: make(map[string]*sourceTopic)}
	for _, name := range found {
		s.addTopic(name)
	}
	if err := s.awaitTopics(ctx); err != nil {
		return nil, err
	}
	if err := s.askLimits(ctx, s.allTopics()); err != nil {
		return nil, err
	}
	for _, t := range s.allTopics() {
		s.makeSlots(t)
	}
	return s, nil
}

// awaitTopics asks until all topics are known, or one is found to be missing or
// not to be seen.
func (s *topicSet) awaitTopics(ctx context.Context) error {
	r := s.cluster.NewRetry("metadata of " + s.names.describe())
	for {
		if err := s.cluster.RefreshTopics(ctx, s.clusterTopics()); err != nil {
			if err := r.Wait(ctx, err); err != nil {
				return err
			}
			continue
		}
		all := s.allTopics()
		at := slices.IndexFunc(all, func(t *sourceTopic) bool { return !t.MissingSince().IsZero() })
		if at < 0 {
			return nil
		}
		// It may have been made a moment ago, through another broker.
		if err := all[at].Await(ctx, cluster.LookTries); err != nil {
			return err
		}
	}
}

// askLimits asks for the settings of topics, max.message.bytes among them.
func (s *topicSet) askLimits(ctx context.Context, topics []*sourceTopic) error {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name()
	}
	found, err := s.cluster.ReadSettingsOf(ctx, names)
	for _, t := range topics {
		settings := found[t.Name()]
		t.settings.Store(&settings)
		if n, ok := settings.ReadInt(cluster.MaxMessageBytes); ok {
			t.maxBatch.Store(n)
		}
	}
	return err
}

// learnLimits asks for the limits of topics that are new. Without an answer
// reading goes on with guesses.
func (s *topicSet) learnLimits(ctx context.Context, slots []int32) {
	var unknown []*sourceTopic
	for _, n := range slots {
		if t := s.at(n).topic; t.maxBatch.Load() == 0 && !slices.Contains(unknown, t) {
			unknown = append(unknown, t)
		}
	}
	if len(unknown) == 0 || !s.names.MayBeSeveral() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	if err := s.askLimits(ctx, unknown); err != nil && ctx.Err() == nil {
		s.log.Info("kafka: the largest batches of new topics are not known", "topics", len(unknown), "error", err)
	}
}

// addTopic adds a topic unless it is there.
func (s *topicSet) addTopic(name string) *sourceTopic {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byName[name]
	if t == nil {
		t = &sourceTopic{Topic: s.cluster.NewTopic(name)}
		s.byName[name] = t
		s.inOrder = append(s.inOrder, t)
	}
	return t
}

// makeSlots gives slots to the partitions that a topic has now.
func (s *topicSet) makeSlots(t *sourceTopic) {
	if n := t.PartitionCount(); n > 0 {
		s.slotIn(t, n-1)
	}
}

// slotIn returns the slot of a partition.
func (s *topicSet) slotIn(t *sourceTopic, number int32) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for int(number) >= len(t.slots) {
		n := int32(len(t.slots))
		t.slots = append(t.slots, int32(len(s.slots)))
		s.slots = append(s.slots, slot{topic: t, number: n, place: cluster.PlaceOf(t.Name(), n)})
	}
	return t.slots[number]
}

// slotOf returns the slot of a partition that the group has given to this
// member. Its topic may be new.
func (s *topicSet) slotOf(topic string, number int32) int32 {
	t := s.find(topic)
	if t == nil {
		t = s.addTopic(topic)
		s.log.Info("kafka: a topic was added to those that are read", "topic", topic)
	}
	return s.slotIn(t, number)
}

// find returns a topic; nil if it is not one of the set.
func (s *topicSet) find(name string) *sourceTopic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[name]
}

// findSlot returns the slot of a partition if it has one.
func (s *topicSet) findSlot(topic string, number int32) (int32, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.byName[topic]
	if t == nil || number < 0 || int(number) >= len(t.slots) {
		return 0, false
	}
	return t.slots[number], true
}

// at returns the partition in a slot.
func (s *topicSet) at(number int32) slot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.slots[number]
}

// placeOf names the partition in a slot.
func (s *topicSet) placeOf(number int32) string { return s.at(number).place }

// offsetOf returns an offset of the partition in a slot, of which the leader
// epoch is not known.
func (s *topicSet) offsetOf(number int32, next int64) cluster.Offset {
	at := s.at(number)
	return cluster.Offset{Topic: at.topic.Name(), Partition: at.number, Next: next, LeaderEpoch: -1}
}

// hashOf returns what stands for a topic in committed offsets.
func (s *topicSet) hashOf(topic string) (h cluster.SourceHash) {
	if t := s.find(topic); t != nil {
		h = t.SourceHash()
	}
	return h
}

// partitionsAt returns the partitions in some slots, for requests.
func (s *topicSet) partitionsAt(slots []int32) []wire.TopicPartition {
	out := make([]wire.TopicPartition, len(slots))
	for i, n := range slots {
		at := s.at(n)
		out[i] = wire.TopicPartition{Topic: at.topic.Name(), Partition: at.number}
	}
	return out
}

// Leader returns the leader of the partition in a slot.
func (s *topicSet) Leader(number int32) cluster.Leader {
	at := s.at(number)
	return at.topic.Leader(at.number)
}

// isMissing tells whether the brokers do not know the topic of a slot now. With
// one topic that is never so: then its lanes wait for it.
func (s *topicSet) isMissing(number int32) bool {
	return s.names.MayBeSeveral() && !s.at(number).topic.MissingSince().IsZero()
}

func (s *topicSet) allTopics() []*sourceTopic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.inOrder)
}

func (s *topicSet) clusterTopics() []*cluster.Topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*cluster.Topic, len(s.inOrder))
	for i, t := range s.inOrder {
		all[i] = t.Topic
	}
	return all
}

// Partitions returns the slots of all partitions that the topics have, as far
// as they exist.
func (s *topicSet) Partitions() []int32 {
	var all []int32
	for _, t := range s.allTopics() {
		if !t.MissingSince().IsZero() {
			continue
		}
		s.makeSlots(t)
		s.mu.RLock()
		all = append(all, t.slots[:min(len(t.slots), int(t.PartitionCount()))]...)
		s.mu.RUnlock()
	}
	slices.Sort(all)
	return all
}

// PartitionCount returns how many partitions the topics have together.
func (s *topicSet) PartitionCount() int32 { return int32(len(s.Partitions())) }

// Refresh asks again who leads. With one topic an error may be about that. With
// several, a topic that is missing or was replaced stops only its partitions.
func (s *topicSet) Refresh(ctx context.Context) error {
	if !s.names.MayBeSeveral() {
		return s.allTopics()[0].Refresh(ctx)
	}
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if err := s.cluster.RefreshTopics(ctx, s.clusterTopics()); err != nil {
		return err
	}
	for _, t := range s.allTopics() {
		missing := !t.MissingSince().IsZero()
		if t.gone.Swap(missing) != missing && missing {
			s.log.Warn("kafka: the brokers do not know a topic any more, its places stand still", "topic", t.Name())
		}
	}
	return nil
}

// CheckIdentity returns cluster.ErrReplaced if the only topic was deleted and
// made again. It asks only if the last request that named the topic is longer
// ago than pause: the requests in between would have failed. With several
// topics it only looks at them.
func (s *topicSet) CheckIdentity(ctx context.Context, last time.Time, pause time.Duration) error {
	if only := s.allTopics()[0]; !s.names.MayBeSeveral() && only.IsReplaced() {
		return fmt.Errorf("kafka topic %s: %w", only.Name(), cluster.ErrReplaced)
	}
	if time.Since(last) < pause {
		return nil
	}
	if err := s.Refresh(ctx); errors.Is(err, cluster.ErrReplaced) {
		return err
	}
	return nil
}

// mostQuestions is how many topics are asked about at the same time.
const mostQuestions = 8

// ListOffsets asks for the offsets of partitions: see
// cluster.Topic.ListOffsets.
func (s *topicSet) ListOffsets(ctx context.Context, slots []int32, times ...int64) ([][]int64, error) {
	rows := make([][]int64, len(times))
	for i := range rows {
		rows[i] = make([]int64, len(slots))
	}
	ctx, cancel := s.boundPatience(ctx)
	defer cancel()
	return rows, s.eachTopic(slots, func(t *sourceTopic, numbers []int32, at []int) error {
		found, err := t.ListOffsets(ctx, numbers, times...)
		for row := range found {
			for n, i := range at {
				rows[row][i] = found[row][n]
			}
		}
		return err
	})
}

// ListEnds asks for high watermarks: see cluster.Topic.ListEnds.
func (s *topicSet) ListEnds(ctx context.Context, slots []int32) ([]int64, error) {
	ends := make([]int64, len(slots))
	ctx, cancel := s.boundPatience(ctx)
	defer cancel()
	return ends, s.eachTopic(slots, func(t *sourceTopic, numbers []int32, at []int) error {
		found, err := t.ListEnds(ctx, numbers)
		for n := range found {
			ends[at[n]] = found[n]
		}
		return err
	})
}

// readUpTo says how far the partition in a slot has been read.
type readUpTo struct {
	slot  int32
	next  int64
	epoch int32
}

// FindCuts asks where logs were cut since they were read: see
// cluster.Topic.FindCuts. Those that were must be of the topics that the set
// knows, and not of others that were made anew: with one topic that is an
// error, and of several IsReplaced tells.
func (s *topicSet) FindCuts(ctx context.Context, read []readUpTo) ([]int64, error) {
	cuts, slots := make([]int64, len(read)), make([]int32, len(read))
	for i := range read {
		slots[i] = read[i].slot
	}
	ctx, cancel := s.boundPatience(ctx)
	defer cancel()
	return cuts, s.eachTopic(slots, func(t *sourceTopic, numbers []int32, at []int) error {
		asked := make([]cluster.ReadUpTo, len(at))
		for n, i := range at {
			asked[n] = cluster.ReadUpTo{Partition: numbers[n], Next: read[i].next, LeaderEpoch: read[i].epoch}
		}
		found, err := t.FindCuts(ctx, asked)
		if err != nil {
			return err
		}
		cut := false
		for n, i := range at {
			cuts[i] = found[n]
			cut = cut || cuts[i] >= 0
		}
		if !cut {
			return nil
		}
		err = t.ConfirmIdentity(ctx)
		if errors.Is(err, cluster.ErrReplaced) && s.names.MayBeSeveral() {
			for _, i := range at {
				cuts[i] = -1
			}
			return nil
		}
		return err
	})
}

// listPatience is how long the offsets of several topics are waited for before
// the lane begins again, without those topics that are missing by then.
const listPatience = 10 * time.Second

// boundPatience bounds a question about several topics: the others must not
// wait for one that is deleted at this moment.
func (s *topicSet) boundPatience(ctx context.Context) (context.Context, context.CancelFunc) {
	if !s.names.MayBeSeveral() {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, listPatience, errNoOffsets)
}

var errNoOffsets = fmt.Errorf("%w: offsets of topics were not told in time", pipeline.ErrLost)

// eachTopic calls do for each topic of some slots, for several at a time, with
// the numbers of its partitions and their indexes in slots. It returns the
// first error.
func (s *topicSet) eachTopic(slots []int32, do func(t *sourceTopic, numbers []int32, at []int) error) error {
	numbers, indexes := make(map[*sourceTopic][]int32), make(map[*sourceTopic][]int)
	var topics []*sourceTopic
	for i, n := range slots {
		at := s.at(n)
		if numbers[at.topic] == nil {
			topics = append(topics, at.topic)
		}
		numbers[at.topic], indexes[at.topic] = append(numbers[at.topic], at.number), append(indexes[at.topic], i)
	}
	errs := askEach(topics, func(t *sourceTopic) error { return do(t, numbers[t], indexes[t]) })
	return cmp.Or(errs...)
}

// askEach calls ask for each topic, for up to mostQuestions at a time, and
// returns the errors in the order of the topics.
func askEach(topics []*sourceTopic, ask func(*sourceTopic) error) []error {
	errs := make([]error, len(topics))
	if len(topics) == 1 {
		errs[0] = ask(topics[0])
		return errs
	}
	var all sync.WaitGroup
	places := make(chan struct{}, mostQuestions)
	for i, t := range topics {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			errs[i] = ask(t)
		})
	}
	all.Wait()
	return errs
}
