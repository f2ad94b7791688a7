package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Setting is a setting of a topic.
type Setting struct {
	Value string
	Own   bool // of this topic, and not the brokers' default
}

// Settings are those of a topic by name; nil if they are not known, since the
// brokers do not allow the question.
type Settings map[string]Setting

// ReadInt returns a setting that is a number, and whether there is one.
func (s Settings) ReadInt(name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(s[name].Value, 10, 64)
	return n, err == nil
}

// The settings of topics that this program looks at.
const (
	MaxMessageBytes = "max.message.bytes"
	RetentionMs     = "retention.ms"
	RetentionBytes  = "retention.bytes"
	CleanupPolicy   = "cleanup.policy"
	MinInSync       = "min.insync.replicas"
	TimestampBefore = "message.timestamp.before.max.ms"
	TimestampAfter  = "message.timestamp.after.max.ms"
	TimestampType   = "message.timestamp.type"
	CompressionType = "compression.type"
)

// ReadSettings asks for the settings of a topic. They are nil if the brokers do
// not allow the question.
func (c *Cluster) ReadSettings(ctx context.Context, topic string) (Settings, error) {
	found, err := c.ReadSettingsOf(ctx, []string{topic})
	return found[topic], err
}

// ReadSettingsOf does the same for several topics, with one request.
func (c *Cluster) ReadSettingsOf(ctx context.Context, topics []string) (map[string]Settings, error) {
	var found map[string]Settings
	err := c.RetryCall(ctx, "configuration of "+nameTopics(topics), func(ctx context.Context) error {
		req := kmsg.NewPtrDescribeConfigsRequest()
		for _, topic := range topics {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
			req.Resources = append(req.Resources, r)
		}
		res, err := c.askAny(ctx, wire.Question{Request: req, Least: 1, Most: 4})
		if err != nil {
			return err
		}
		found = make(map[string]Settings, len(topics))
		for _, r := range res.(*kmsg.DescribeConfigsResponse).Resources {
			err := ErrorFromCode(r.ErrorCode)
			if errors.Is(err, kafkago.TopicAuthorizationFailed) || errors.Is(err, kafkago.ClusterAuthorizationFailed) {
				continue // not knowing the settings is no error
			}
			if err != nil {
				return err
			}
			settings := make(Settings)
			for _, s := range r.Configs {
				if s.Value != nil && !s.IsSensitive {
					settings[s.Name] = Setting{Value: *s.Value, Own: s.Source == kmsg.ConfigSourceDynamicTopicConfig}
				}
			}
			found[r.ResourceName] = settings
		}
		return nil
	})
	return found, err
}

// nameTopics names topics for errors and the log.
func nameTopics(topics []string) string {
	if len(topics) == 1 {
		return "topic " + topics[0]
	}
	return strconv.Itoa(len(topics)) + " topics"
}

// NewTopic is a topic to be made. Zero partitions or replicas leave the number
// to the brokers.
type NewTopic struct {
	Name                 string
	Partitions, Replicas int
	Settings             map[string]string
}

// CreateTopic makes a topic. It is no error if the topic is there already.
func (c *Cluster) CreateTopic(ctx context.Context, n NewTopic) error {
	return c.RetryCall(ctx, "create topic "+n.Name, func(ctx context.Context) error {
		m, err := c.AskMetadata(ctx)
		if err != nil {
			return err
		}
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = int32(createTimeout / time.Millisecond)
		req.Topics = append(req.Topics, n.encode())
		res, _, err := c.wire.Ask(ctx, wire.Question{
			Broker: m.Controller, Request: req, Least: 4, Most: 7, Limit: createTimeout + c.wire.Timeout,
		})
		if err != nil {
			return err
		}
		topics := res.(*kmsg.CreateTopicsResponse).Topics
		if len(topics) != 1 {
			return wire.ErrUnanswered
		}
		err = ErrorFromCode(topics[0].ErrorCode)
		switch {
		case errors.Is(err, kafkago.TopicAlreadyExists):
			return nil
		case err != nil && topics[0].ErrorMessage != nil:
			return fmt.Errorf("%w (%s)", err, *topics[0].ErrorMessage)
		}
		return err
	})
}

func (n *NewTopic) encode() kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = n.Name, -1, -1
	if n.Partitions > 0 {
		t.NumPartitions = int32(n.Partitions)
	}
	if n.Replicas > 0 {
		t.ReplicationFactor = int16(n.Replicas)
	}
	names := make([]string, 0, len(n.Settings))
	for name := range n.Settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s, value := kmsg.NewCreateTopicsRequestTopicConfig(), n.Settings[name]
		s.Name, s.Value = name, &value
		t.Configs = append(t.Configs, s)
	}
	return t
}

// CountReplicas asks how many replicas the partitions of a topic have, at
// least.
func (c *Cluster) CountReplicas(ctx context.Context, topic string) (n int, err error) {
	err = c.RetryCall(ctx, "topic "+topic, func(ctx context.Context) error {
		m, err := c.AskMetadata(ctx, topic)
		if err != nil {
			return err
		}
		for i := range m.Topics {
			if m.Topics[i].Err != nil {
				return m.Topics[i].Err
			}
			for _, p := range m.Topics[i].Partitions {
				if n == 0 || len(p.Replicas) < n {
					n = len(p.Replicas)
				}
			}
		}
		return nil
	})
	return n, err
}
