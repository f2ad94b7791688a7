package wire

import (
	"context"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// RoundTripTo sends one of kafka-go's own requests, under Timeout, to a certain
// broker. The Transport by itself looks up the coordinator of a group or a
// transaction before every single request.
func (c *Client) RoundTripTo(ctx context.Context, broker int32, request protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	d := &direct{client: c, request: request}
	answer, err := c.transport.RoundTrip(ctx, c.addr, &brokerDirect{direct: d, id: broker})
	if err != nil {
		return nil, &Error{API: request.ApiKey(), Broker: broker, Err: err}
	}
	return answer, nil
}

// direct sends a request as kafka-go writes it and reads the answer as kafka-go
// does.
type direct struct {
	client  *Client
	request protocol.Message
	version int16 // that kafka-go negotiated
}

// ApiKey implements protocol.Message.
func (d *direct) ApiKey() protocol.ApiKey { return d.request.ApiKey() }

// Required implements protocol.RawExchanger: always.
func (d *direct) Required(negotiated map[protocol.ApiKey]int16) bool {
	d.version = negotiated[d.ApiKey()]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (d *direct) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	return protocol.RoundTrip(rw, d.version, d.client.lastID.Add(1), d.client.transport.ClientID, d.request)
}

type brokerDirect struct {
	*direct
	id int32
}

// Broker implements protocol.BrokerMessage.
func (d *brokerDirect) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerOf(cluster, d.id)
}
