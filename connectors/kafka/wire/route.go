package wire

import (
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// route dresses a call so that the Transport brings it to the right broker.
type route struct {
	broker  int32 // for errors; -1 if it is not a certain one
	message func(*call) protocol.Message
}

func anywhere() route {
	return route{broker: -1, message: func(c *call) protocol.Message { return c }}
}

func toBroker(id int32) route {
	return route{broker: id, message: func(c *call) protocol.Message { return &brokerCall{call: c, id: id} }}
}

// toAnyOr goes to a broker, or to any one if its number is below zero.
func toAnyOr(id int32) route {
	if id < 0 {
		return anywhere()
	}
	return toBroker(id)
}

type brokerCall struct {
	*call
	id int32
}

// Broker implements protocol.BrokerMessage.
func (c *brokerCall) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerOf(cluster, c.id)
}

// brokerOf finds a broker. One that the Transport has not heard of yet, and a
// partition without a leader, are retriable.
func brokerOf(cluster protocol.Cluster, id int32) (protocol.Broker, error) {
	if id < 0 {
		return protocol.Broker{}, kafka.LeaderNotAvailable
	}
	broker, ok := cluster.Brokers[id]
	if !ok {
		return protocol.Broker{}, kafka.BrokerNotAvailable
	}
	return broker, nil
}
