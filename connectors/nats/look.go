package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// SourceLook is how a source is now.
type SourceLook struct {
	// Messages is how many messages the stream holds, and Bytes their size.
	Messages, Bytes uint64
	// Waiting is how many messages the consumer would still be given; without
	// one it is Messages.
	Waiting uint64
	// Exists says whether there is a consumer of that name.
	Exists bool
	// Drift is why the consumer that exists cannot be used; nil if it can.
	Drift error
	// ReadAheadBytes is as that of Source.
	ReadAheadBytes int
}

// LookAtSource looks at a stream and its consumer as NewSource does, and
// changes nothing: a consumer that does not exist is not made.
func LookAtSource(ctx context.Context, conn *Conn, o SourceOptions) (*SourceLook, error) {
	s, stream, err := bindStream(ctx, conn, o)
	if err != nil {
		return nil, err
	}
	state := stream.CachedInfo().State
	look := &SourceLook{
		Messages: state.Msgs, Bytes: state.Bytes, Waiting: state.Msgs, ReadAheadBytes: s.ReadAheadBytes(),
	}
	if o.Consumer == "" {
		return look, nil
	}
	consumer, err := stream.Consumer(ctx, o.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return look, nil
	}
	if err != nil {
		return nil, fmt.Errorf("nats stream %s, consumer %q: %w", o.Stream, o.Consumer, err)
	}
	info := consumer.CachedInfo()
	look.Exists, look.Waiting = true, info.NumPending+uint64(info.NumAckPending)
	if err := s.describeDrift(info.Config); err != nil {
		look.Drift = fmt.Errorf("nats stream %s, consumer %q: %w", o.Stream, o.Consumer, err)
	}
	return look, nil
}

// HasStream tells whether there is a stream of that name.
func HasStream(ctx context.Context, conn *Conn, name string) (bool, error) {
	_, err := conn.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Permissions are the subjects that the server lets this user publish to and
// subscribe to.
type Permissions struct {
	User      string
	Account   string
	publish   subjectRules
	subscribe subjectRules
}

// subjectRules are as the server's configuration has them. Without any, all is
// allowed.
type subjectRules struct {
	Allow []string `json:"allow"`
	Deny  []string `json:"deny"`
}

// allows tells whether all of a subject pattern is allowed.
func (r subjectRules) allows(pattern string) bool {
	covers := func(by string) bool { return coversSubject(by, pattern) }
	overlaps := func(by string) bool { return coversSubject(by, pattern) || coversSubject(pattern, by) }
	return (len(r.Allow) == 0 || slices.ContainsFunc(r.Allow, covers)) && !slices.ContainsFunc(r.Deny, overlaps)
}

// MayPublish tells whether all subjects of a pattern may be published to.
func (p *Permissions) MayPublish(pattern string) bool { return p.publish.allows(pattern) }

// MaySubscribe tells whether all subjects of a pattern may be subscribed to.
func (p *Permissions) MaySubscribe(pattern string) bool { return p.subscribe.allows(pattern) }

// permissionsWait is how long the server may take to tell.
const permissionsWait = 2 * time.Second

// ReadPermissions asks the server which rights this user has. It returns nil if
// the server does not tell: it is older than NATS 2.10, or the user may not
// ask.
func ReadPermissions(ctx context.Context, conn *Conn) *Permissions {
	ctx, cancel := context.WithTimeout(ctx, permissionsWait)
	defer cancel()
	m, err := conn.nc.RequestWithContext(ctx, "$SYS.REQ.USER.INFO", nil)
	if err != nil {
		return nil
	}
	var answer struct {
		Data struct {
			User        string `json:"user"`
			Account     string `json:"account"`
			Permissions *struct {
				Publish   subjectRules `json:"publish"`
				Subscribe subjectRules `json:"subscribe"`
			} `json:"permissions"`
		} `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return nil
	}
	p := &Permissions{User: answer.Data.User, Account: answer.Data.Account}
	if rules := answer.Data.Permissions; rules != nil {
		p.publish, p.subscribe = rules.Publish, rules.Subscribe
	}
	return p
}
