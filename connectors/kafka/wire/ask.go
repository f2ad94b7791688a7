package wire

import (
	"context"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Question is a request of package kmsg: one of those that are rare, such as a
// group's. Their memory is not recycled.
type Question struct {
	// Broker is asked; any broker if it is below zero.
	Broker  int32
	Request kmsg.Request
	// Least and Most are the versions that will do; the highest one is used
	// that the broker speaks as well.
	Least, Most int16
}

// Ask sends a request and returns its answer. A code in the answer is the
// caller's to look at. The request must not be used again before Ask has
// returned, and not at all if the error is that of ctx: the exchange may still
// be under way then.
func (c *Client) Ask(ctx context.Context, q Question) (kmsg.Response, error) {
	api := protocol.ApiKey(q.Request.Key())
	x := &exchange{api: api}
	x.prepare = func(spoken versions) error {
		version, err := spoken.choose(api, q.Least, q.Most)
		if err != nil {
			return err
		}
		q.Request.SetVersion(version)
		x.version = version
		x.request = encoder{flexible: q.Request.IsFlexible()}
		x.request.b = q.Request.AppendTo(nil)
		return nil
	}
	to := anywhere()
	if q.Broker >= 0 {
		to = toBroker(q.Broker)
	}
	if _, err := c.do(ctx, x, to, 0); err != nil {
		return nil, err
	}
	res := q.Request.ResponseKind()
	res.SetVersion(x.version)
	if err := res.ReadFrom(x.body); err != nil {
		return nil, &Error{API: api, Broker: q.Broker, Err: ErrMalformed}
	}
	return res, nil
}

// choose returns the highest version that both sides speak.
func (v versions) choose(api protocol.ApiKey, least, most int16) (int16, error) {
	span, ok := v[api]
	if ok {
		most = min(most, span[1])
	}
	if most < least {
		most = least
	}
	return most, v.need(api, most)
}
