package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// ErrDeletesEarly says that a destination would delete records that the source
// still keeps.
var ErrDeletesEarly = errors.New("the destination would delete records that it is given")

// kept are the settings that a destination has from its source.
var kept = []string{
	cluster.CleanupPolicy, cluster.RetentionMs, cluster.MinInSync, cluster.TimestampAfter,
	"delete.retention.ms", "min.compaction.lag.ms", "max.compaction.lag.ms", "min.cleanable.dirty.ratio",
	"unclean.leader.election.enable",
}

// retentionFactor is by how much retention.bytes of a destination is larger:
// sealed records are larger, small ones by a multiple.
const retentionFactor = 4

// planTopic returns a topic that is as strong as the source: with as many
// partitions and replicas, and the settings that say how long records stay and
// when a write counts. In the source's cluster only settings that differ from
// the brokers' defaults are set.
func (s *Sink) planTopic(ctx context.Context, name, of string) (cluster.NewTopic, error) {
	n := cluster.NewTopic{Name: name, Partitions: s.wantPartitions(of), Settings: make(map[string]string)}
	if size := s.wantMaxBatch(of); size > 0 {
		n.Settings[cluster.MaxMessageBytes] = strconv.Itoa(size)
	}
	if s.Source == nil {
		return n, nil
	}
	from := s.modelOf(of)
	replicas, err := s.Source.cluster.CountReplicas(ctx, from.Name())
	if err != nil {
		return n, err
	}
	n.Replicas = replicas
	near, settings := s.Source.cluster.IsSame(s.cluster), from.readSettings()
	for _, name := range kept {
		if setting, ok := settings[name]; ok && (setting.Own || !near) {
			n.Settings[name] = setting.Value
		}
	}
	if size, ok := settings.ReadInt(cluster.RetentionBytes); ok && size > 0 {
		size = min(size, math.MaxInt64/retentionFactor) * retentionFactor
		n.Settings[cluster.RetentionBytes] = strconv.FormatInt(size, 10)
	}
	// A record that the source took long ago is older now than a limit allows.
	if _, ok := settings[cluster.TimestampBefore]; ok {
		n.Settings[cluster.TimestampBefore] = strconv.FormatInt(math.MaxInt64, 10)
	}
	if s.DeadLetters { // letters with the same key are not versions of one thing
		delete(n.Settings, cluster.CleanupPolicy)
		if isCompacted(settings) {
			n.Settings[cluster.CleanupPolicy], n.Settings[cluster.RetentionMs] = "delete", "-1"
		}
	}
	return n, nil
}

// modelOf returns the topic of the Source by which a destination is made and
// judged: the one that is written to it, or the first of all.
func (s *Sink) modelOf(of string) *sourceTopic { return s.feedersOf(of)[0] }

// createTopic makes the topic and tells with which settings.
func (s *Sink) createTopic(ctx context.Context, name, of string) error {
	n, err := s.planTopic(ctx, name, of)
	if err != nil {
		return err
	}
	if err := s.cluster.CreateTopic(ctx, n); err != nil {
		return s.cluster.NameRight(cluster.Resource{Kind: "topic", Name: name}, "Create", err)
	}
	attrs := []any{"topic", n.Name, "partitions", n.Partitions, "replicas", n.Replicas}
	for _, name := range slices.Sorted(maps.Keys(n.Settings)) {
		attrs = append(attrs, name, n.Settings[name])
	}
	s.Log.Info("kafka: topic made", attrs...)
	return nil
}

// compareTopic compares a destination that exists with the source. It refuses
// one that would delete what it is given, and tells of everything else that is
// weaker.
func (s *Sink) compareTopic(ctx context.Context, to *destination, of string) error {
	if s.Source == nil {
		return nil
	}
	from := s.modelOf(of)
	if to.settings == nil || from.readSettings() == nil {
		return nil
	}
	weaker, err := s.listWeaker(ctx, to, from)
	if err != nil {
		return err
	}
	if !s.DeadLetters {
		early, err := s.findEarly(ctx, to, from)
		switch {
		case err != nil:
			return err
		case early != "" && !s.Expired:
			return fmt.Errorf("kafka topic %s: %w: %s", to.Name(), ErrDeletesEarly, early)
		case early != "":
			weaker = append(weaker, early)
		}
	}
	if len(weaker) > 0 {
		s.Log.Warn("kafka: the destination is weaker than the source",
			"topic", to.Name(), "differs", strings.Join(weaker, "; "))
	}
	return nil
}

// listWeaker lists the settings of the destination that are weaker.
func (s *Sink) listWeaker(ctx context.Context, to *destination, from *sourceTopic) (weaker []string, err error) {
	settings := from.readSettings()
	has, err := s.cluster.CountReplicas(ctx, to.Name())
	if err != nil {
		return nil, err
	}
	want, err := s.Source.cluster.CountReplicas(ctx, from.Name())
	if err != nil {
		return nil, err
	}
	if has < want {
		weaker = append(weaker, fmt.Sprintf("replicas %d (source: %d)", has, want))
	}
	for _, name := range []string{cluster.MinInSync, cluster.RetentionMs, cluster.RetentionBytes} {
		mine, ok := to.settings.ReadInt(name)
		theirs, known := settings.ReadInt(name)
		if ok && known && mine >= 0 && (mine < theirs || theirs < 0) {
			weaker = append(weaker, fmt.Sprintf("%s %d (source: %d)", name, mine, theirs))
		}
	}
	mine, theirs := to.settings[cluster.CleanupPolicy].Value, settings[cluster.CleanupPolicy].Value
	if mine != theirs {
		weaker = append(weaker, fmt.Sprintf("%s %s (source: %s)", cluster.CleanupPolicy, mine, theirs))
	}
	return weaker, nil
}

// findEarly says what the destination would delete of the records that this run
// is about to give it; "" if nothing.
func (s *Sink) findEarly(ctx context.Context, to *destination, from *sourceTopic) (string, error) {
	settings := from.readSettings()
	if isCompacted(to.settings) && !isCompacted(settings) {
		return "it is compacted and the source is not: older records of a key go", nil
	}
	keeps, limited := readRetention(to.settings)
	theirs, alike := readRetention(settings)
	if !limited || alike && keeps >= theirs || to.settings[cluster.TimestampType].Value == "LogAppendTime" {
		return "", nil // the source deletes these records as well
	}
	retention := time.Duration(min(keeps, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	place, err := s.Source.findOlder(ctx, from, time.Now().Add(-retention))
	if err != nil || place == "" {
		return "", err
	}
	return fmt.Sprintf("%s is %v, and %s has older records", cluster.RetentionMs, retention, place), nil
}

// readRetention returns for how many milliseconds a topic keeps records, and
// whether that is limited.
func readRetention(s cluster.Settings) (keeps int64, limited bool) {
	keeps, ok := s.ReadInt(cluster.RetentionMs)
	return keeps, ok && keeps >= 0 && strings.Contains(s[cluster.CleanupPolicy].Value, "delete")
}

// findOlder returns the place of a partition from which this run would read
// records that are older than a time; "" if there is none.
func (s *Source) findOlder(ctx context.Context, of *sourceTopic, than time.Time) (string, error) {
	if than.UnixMilli() <= 0 {
		return "", nil
	}
	partitions := s.chosenPartitions()
	partitions = slices.DeleteFunc(partitions, func(p int32) bool { return s.topics.at(p).topic != of })
	if len(partitions) == 0 {
		return "", nil
	}
	begin, err := s.peekPositions(ctx, partitions)
	if err != nil {
		return "", err
	}
	younger, err := s.topics.ListOffsets(ctx, partitions, than.UnixMilli())
	if err != nil {
		return "", err
	}
	ends, err := s.topics.ListEnds(ctx, partitions)
	if err != nil {
		return "", err
	}
	for i, p := range partitions {
		first := younger[0][i]
		if first < 0 {
			first = ends[i] // all are older
		}
		if begin[i] < first {
			return s.topics.placeOf(p), nil
		}
	}
	return "", nil
}

// peekPositions returns where partitions would begin, without waiting for
// transactions of the group.
func (s *Source) peekPositions(ctx context.Context, partitions []int32) ([]int64, error) {
	begin, err := s.findStarts(ctx, partitions, isFresh)
	if err != nil || s.Group == "" {
		return begin, err
	}
	err = s.cluster.RetryCall(ctx, "offsets of group "+s.Group, func(ctx context.Context) error {
		found, err := s.cluster.ReadOffsets(ctx, s.Group, s.topics.partitionsAt(partitions))
		if err != nil {
			return err
		}
		for i := range found {
			if found[i].Err == nil && found[i].Offset >= 0 {
				begin[i] = found[i].Offset
			} else if found[i].Err != nil {
				begin[i] = math.MaxInt64 // of a transaction that is open: it has begun before
			}
		}
		return nil
	})
	return begin, err
}
