package wire

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// Question is a request of package kmsg: one of those that are rare, such as a
// group's or a transaction's. Their memory is not recycled.
type Question struct {
	// Broker is asked; any broker if it is below zero.
	Broker  int32
	Request kmsg.Request
	// Least and Most are the versions that will do; the highest one is used
	// that the broker speaks as well.
	Least, Most int16
	// Limit is how long the exchange may take; Client.Timeout if it is zero.
	Limit time.Duration
}

// Ask sends a request and returns its answer, with the broker that was asked. A
// code in the answer is the caller's to look at. The request must not be used
// again before Ask has returned, and not at all if the error is that of ctx:
// the exchange may still be under way then.
func (c *Client) Ask(ctx context.Context, q Question) (kmsg.Response, *dial.Peer, error) {
	api := protocol.ApiKey(q.Request.Key())
	x := &exchange{api: api}
	var peer *dial.Peer
	x.prepare = func(p *dial.Peer) error {
		version, err := chooseVersion(p, api, q.Least, q.Most)
		if err != nil {
			return err
		}
		q.Request.SetVersion(version)
		x.version = version
		x.request = encoder{flexible: q.Request.IsFlexible()}
		x.request.b = q.Request.AppendTo(nil)
		peer = p
		return nil
	}
	if q.Limit == 0 {
		q.Limit = c.Timeout
	}
	if _, err := c.do(ctx, x, toAnyOr(q.Broker), q.Limit); err != nil {
		return nil, nil, err
	}
	res := q.Request.ResponseKind()
	res.SetVersion(x.version)
	if err := res.ReadFrom(x.body); err != nil {
		return nil, nil, &Error{API: api, Broker: q.Broker, Err: ErrMalformed}
	}
	return res, peer, nil
}

// chooseVersion returns the highest version that both sides speak.
func chooseVersion(peer *dial.Peer, api protocol.ApiKey, least, most int16) (int16, error) {
	if err := needVersion(peer, api, most); err == nil {
		return most, nil
	}
	_, has, ok := peer.Versions(int16(api))
	version := min(most, has)
	if !ok || version < least {
		return 0, needVersion(peer, api, least)
	}
	return version, needVersion(peer, api, version)
}
