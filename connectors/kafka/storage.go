package kafka

import (
	"context"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// isCompacted tells whether a topic deletes older records of a key.
func isCompacted(s cluster.Settings) bool {
	return strings.Contains(s[cluster.CleanupPolicy].Value, "compact")
}

// IsCompacted tells whether the topic of a place deletes records out of the
// middle of its partitions, as far as its settings were known when it was
// opened.
func (s *Source) IsCompacted(place string) bool {
	t := s.topics.find(cluster.TopicOf(place))
	return t != nil && isCompacted(t.readSettings())
}

// IsCompressed tells whether the brokers compress one of the topics, as far as
// its settings were known when it was opened. Whether producers do where the
// brokers leave it to them, it does not tell.
func (s *Source) IsCompressed() bool {
	return slices.ContainsFunc(s.topics.allTopics(), func(t *sourceTopic) bool {
		switch t.readSettings()[cluster.CompressionType].Value {
		case "", "producer", "uncompressed":
			return false
		}
		return true
	})
}

// KeepsLastValues tells whether the topic that has the messages of a place of
// the Source is compacted: an older message of a key that comes late would then
// take the place of the present one. A topic that is still to be made has the
// cleanup policy of its source.
func (s *Sink) KeepsLastValues(place string) bool {
	from := ""
	if s.names.IsMapped() {
		from = cluster.TopicOf(place)
	}
	to, err := s.destinationFor(context.Background(), from, false)
	switch {
	case err != nil:
		return false // the topic has no destination, so nothing is written
	case to != nil:
		return isCompacted(to.settings)
	}
	return s.Create && !s.DeadLetters && s.Source != nil && s.Source.IsCompacted(place)
}
