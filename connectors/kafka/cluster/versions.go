package cluster

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Generation is the generation of brokers, by the requests that one of them
// speaks.
type Generation struct {
	// Metadata and Fetch are the highest versions of those requests.
	Metadata, Fetch int16
}

// HasTopicIDs tells whether the brokers give topics ids (Kafka 2.8), by which a
// topic that was made anew is told from the one before.
func (g Generation) HasTopicIDs() bool { return g.Metadata >= 10 }

// AskGeneration asks one broker which requests it speaks.
func (c *Cluster) AskGeneration(ctx context.Context) (g Generation, err error) {
	err = c.RetryCall(ctx, "versions of requests", func(ctx context.Context) error {
		res, err := c.askAny(ctx, wire.Question{Request: kmsg.NewPtrApiVersionsRequest(), Least: 0, Most: 2})
		if err != nil {
			return err
		}
		answer := res.(*kmsg.ApiVersionsResponse)
		if err := ErrorFromCode(answer.ErrorCode); err != nil {
			return err
		}
		for _, key := range answer.ApiKeys {
			switch key.ApiKey {
			case int16(kmsg.Metadata):
				g.Metadata = key.MaxVersion
			case int16(kmsg.Fetch):
				g.Fetch = key.MaxVersion
			}
		}
		return nil
	})
	return g, err
}
