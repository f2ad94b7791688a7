package kafka

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/internal/topicname"
)

// TopicNames say which topics a Source reads.
type TopicNames struct {
	text    string
	list    []string       // nil with a pattern
	pattern *regexp.Regexp // of whole names
}

// ParseTopicNames reads the name of a topic, a list with commas
// (orders,refunds) or a pattern, which begins with ~ and must match the whole
// name (~orders\..*), in the syntax of RE2.
func ParseTopicNames(text string) (TopicNames, error) {
	n := TopicNames{text: text}
	if expression, ok := strings.CutPrefix(text, "~"); ok {
		if expression == "" {
			return n, fmt.Errorf("kafka: a pattern that is empty")
		}
		// Its own error would repeat what is put around the expression.
		if _, err := regexp.Compile(expression); err != nil {
			return n, fmt.Errorf("kafka: pattern: %w", err)
		}
		var err error
		n.pattern, err = regexp.Compile(`\A(?:` + expression + `)\z`)
		return n, err
	}
	n.list = strings.Split(text, ",")
	for i, name := range n.list {
		if err := cluster.CheckTopicName(name); err != nil {
			return n, err
		}
		if slices.Contains(n.list[:i], name) {
			return n, fmt.Errorf("kafka topic %s: it is listed twice", name)
		}
	}
	return n, nil
}

// String returns the text that was parsed.
func (n *TopicNames) String() string { return n.text }

// Listed returns the names of the topics; nil for a pattern.
func (n *TopicNames) Listed() []string { return n.list }

// MayBeSeveral tells whether there may be more than one topic.
func (n *TopicNames) MayBeSeveral() bool { return n.pattern != nil || len(n.list) > 1 }

// describe names the topics for errors and the log.
func (n *TopicNames) describe() string {
	if n.MayBeSeveral() {
		return "kafka topics " + n.text
	}
	return "kafka topic " + n.text
}

// isInternal tells whether a name is one of those that Kafka and its tools keep
// for themselves, such as __consumer_offsets. No pattern takes them.
func isInternal(name string) bool { return strings.HasPrefix(name, "__") }

// NameMap gives the topic that a message is written to. It is one topic, or a
// template in which {topic} stands for the topic that the message comes from,
// and {topic-SUFFIX} for that name without its end.
type NameMap struct{ topicname.Template }

// ParseNameMap reads the name of a topic or a template.
func ParseNameMap(text string) (NameMap, error) {
	t, err := topicname.Parse(text)
	m := NameMap{t}
	if err != nil {
		return m, fmt.Errorf("kafka: %w", err)
	}
	if !m.IsMapped() {
		return m, cluster.CheckTopicName(text)
	}
	// Some topic must have a good name.
	if err := cluster.CheckTopicName(m.Sample("t")); err != nil {
		return m, fmt.Errorf("kafka: %q makes no topic names", text)
	}
	return m, nil
}

// NameFor returns the topic for messages of a topic. It is an error if that
// does not have the end which is to be taken off, or if the name becomes too
// long.
func (m *NameMap) NameFor(topic string) (string, error) {
	name, err := m.Template.NameFor(topic)
	if err != nil {
		return "", fmt.Errorf("kafka %w", err)
	}
	if err := cluster.CheckTopicName(name); err != nil {
		return "", fmt.Errorf("kafka topic %s: by %s: %w", topic, m.String(), err)
	}
	return name, nil
}

// mayWrite tells whether a route that reads the topics of a pattern may write a
// topic: then it must not read it, or it would read its own output again and
// again. A map that makes names longer counts even if the topic of origin does
// not exist: that may have been deleted. With a map that makes them shorter
// every name could come from a longer one, so only those count that do.
func (m *NameMap) mayWrite(name string, reads *regexp.Regexp, exists func(string) bool) bool {
	if !m.IsMapped() {
		return name == m.String()
	}
	from, ok := m.SourceOf(name)
	if !ok || !reads.MatchString(from) {
		return false
	}
	return !m.Shortens() || exists(from)
}

// selectTopics returns those of the existing topics that the names stand for,
// in order, and those that are left out although the pattern matches, because
// the route writes them or has no name for their destination.
func (n *TopicNames) selectTopics(existing []string, written []NameMap) (taken, left []string) {
	if n.pattern == nil {
		return n.list, nil
	}
	existing = slices.Sorted(slices.Values(existing))
	exists := func(name string) bool { _, found := slices.BinarySearch(existing, name); return found }
	for _, name := range existing {
		if isInternal(name) || !n.pattern.MatchString(name) {
			continue
		}
		leave := false
		for i := range written {
			w := &written[i]
			_, err := w.NameFor(name)
			leave = leave || err != nil || w.mayWrite(name, n.pattern, exists)
		}
		if leave {
			left = append(left, name)
		} else {
			taken = append(taken, name)
		}
	}
	return taken, left
}

// checkWritten refuses a list of topics of which the route writes one, or for
// one of which it has no destination.
func (n *TopicNames) checkWritten(written []NameMap) error {
	for i := range written {
		w := &written[i]
		for _, from := range n.list {
			to, err := w.NameFor(from)
			if err != nil {
				return err
			}
			if slices.Contains(n.list, to) {
				return fmt.Errorf("kafka topic %s: the route reads it, and writes it for %s", to, from)
			}
		}
	}
	return nil
}
