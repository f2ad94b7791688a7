package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Resource is something in a cluster that rights are about.
type Resource struct {
	Kind   string // topic, group or transactional-id, as kafka-acls.sh names it
	Name   string
	Prefix bool // every resource with a name that begins with Name
}

// String names the resource.
func (r Resource) String() string {
	if r.Prefix {
		return r.Kind + " " + r.Name + "*"
	}
	return r.Kind + " " + r.Name
}

// RightError says that a right is missing.
type RightError struct {
	Resource
	Operation string // Read, Write, Describe or Create
	Principal string // User:NAME; empty if it is not known
	Command   string // that grants it
	Err       error  // of the broker; nil if it was not tried
}

// Error implements error.
func (e *RightError) Error() string {
	who := e.Principal
	if who == "" {
		who = "this user"
	}
	return fmt.Sprintf("%s has no right to %s %s; grant it: %s", who, e.Operation, e.Resource, e.Command)
}

// Unwrap gives the broker's error.
func (e *RightError) Unwrap() error { return e.Err }

// FormatGrant returns the command of Kafka's that grants a right to the
// principal.
func (o *Options) FormatGrant(r Resource, operation string) string {
	principal := o.Principal
	if principal == "" {
		principal = "User:NAME"
	}
	command := fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal %s --operation %s --%s %s",
		strings.Join(o.Brokers, ","), principal, operation, r.Kind, r.Name)
	if r.Prefix {
		command += " --resource-pattern-type prefixed"
	}
	return command
}

// NewRightError returns the error of a right that is missing.
func (c *Cluster) NewRightError(r Resource, operation string, err error) error {
	return &RightError{
		Resource: r, Operation: operation, Principal: c.options.Principal, Err: err,
		Command: c.options.FormatGrant(r, operation),
	}
}

// NameRight returns a RightError for an error by which brokers refuse a right,
// and every other error unchanged.
func (c *Cluster) NameRight(r Resource, operation string, err error) error {
	for _, code := range []kafkago.Error{
		kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.TransactionalIDAuthorizationFailed,
	} {
		if errors.Is(err, code) {
			return c.NewRightError(r, operation, err)
		}
	}
	return err
}

// operations are those that brokers tell of.
var operations = map[string]kmsg.ACLOperation{
	"Read": kmsg.ACLOperationRead, "Write": kmsg.ACLOperationWrite, "Describe": kmsg.ACLOperationDescribe,
	"DescribeConfigs": kmsg.ACLOperationDescribeConfigs,
}

// Rights are the operations that the brokers allow on a topic or a group. None
// is known of the zero value.
type Rights struct {
	told bool
	bits int32
}

// newRights reads the bit field of an answer. A broker that is too old to tell,
// or has no authorizer, returns the least number there is.
func newRights(bits int32) Rights { return Rights{told: bits != math.MinInt32, bits: bits} }

// Has tells whether an operation is allowed, and whether that is known.
func (r Rights) Has(operation string) (has, known bool) {
	bit, ok := operations[operation]
	known = ok && r.told
	return known && r.bits&(1<<bit) != 0, known
}

func (r Rights) lacks(operation string) bool {
	has, known := r.Has(operation)
	return known && !has
}

// ReadTopicRights asks any broker, once, which operations this user may do on a
// topic (KIP-430). Nothing is made by asking. Rights on a topic that is not
// there, or that may not be seen, are not known.
func (c *Cluster) ReadTopicRights(ctx context.Context, topic string) (Rights, error) {
	rights, _, err := c.readTopicRights(ctx, topic)
	return rights, err
}

// readTopicRights does the same, and returns the code of the topic apart from
// an error of the request.
func (c *Cluster) readTopicRights(ctx context.Context, topic string) (_ Rights, code, err error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req.Topics = append(req.Topics, t)
	req.AllowAutoTopicCreation, req.IncludeTopicAuthorizedOperations = false, true
	res, err := c.askAny(ctx, wire.Question{Request: req, Least: 8, Most: 10})
	if err != nil {
		return Rights{}, nil, err
	}
	for _, t := range res.(*kmsg.MetadataResponse).Topics {
		if t.Topic == nil || *t.Topic != topic {
			continue
		}
		if code := ErrorFromCode(t.ErrorCode); code != nil {
			return Rights{}, code, nil
		}
		return newRights(t.AuthorizedOperations), nil, nil
	}
	return Rights{}, nil, nil
}

// CheckTopicRight asks whether this user has a right to a topic. Brokers that
// do not know the question say nothing.
func (c *Cluster) CheckTopicRight(ctx context.Context, topic, operation string) error {
	r := Resource{Kind: "topic", Name: topic}
	return c.RetryCall(ctx, "rights to topic "+topic, func(ctx context.Context) error {
		rights, code, err := c.readTopicRights(ctx, topic)
		switch {
		case err != nil:
			return ignoreVersion(err)
		case rights.lacks(operation):
			return c.NewRightError(r, operation, nil)
		}
		return c.NameRight(r, operation, code)
	})
}

// Group is a consumer group as its coordinator sees it.
type Group struct {
	Rights  Rights
	State   string // Dead if there is no such group
	Members int
}

// DescribeGroup asks the group's coordinator about it, once. Nothing is made by
// asking.
func (c *Cluster) DescribeGroup(ctx context.Context, group string) (Group, error) {
	k := c.GroupCoordinator(group)
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
	res, err := k.Ask(ctx, req, 3, 5, 0)
	if err != nil {
		return Group{}, err
	}
	for _, g := range res.(*kmsg.DescribeGroupsResponse).Groups {
		if g.Group != group {
			continue
		}
		err := ErrorFromCode(g.ErrorCode)
		if k.NoteCode(err); err != nil && !errors.Is(err, kafkago.GroupIdNotFound) {
			return Group{}, err
		}
		return Group{Rights: newRights(g.AuthorizedOperations), State: g.State, Members: len(g.Members)}, nil
	}
	return Group{}, nil
}

// CheckGroupRight asks whether this user has a right to a group.
func (c *Cluster) CheckGroupRight(ctx context.Context, group, operation string) error {
	r := Resource{Kind: "group", Name: group}
	err := c.RetryCall(ctx, "rights to group "+group, func(ctx context.Context) error {
		g, err := c.DescribeGroup(ctx, group)
		if g.Rights.lacks(operation) {
			return c.NewRightError(r, operation, nil)
		}
		return ignoreVersion(err)
	})
	return c.NameRight(r, operation, err)
}

func ignoreVersion(err error) error {
	if _, old := errors.AsType[*wire.VersionError](err); old {
		return nil
	}
	return err
}

// ErrNoTransactions says that a cluster has no transactions now.
var ErrNoTransactions = errors.New("transactions cannot be had")

const (
	transactionTopic = "__transaction_state"
	// How long brokers may take to make the topic of transactions, and to have
	// leaders for it.
	topicPatience, leaderPatience = 15 * time.Second, time.Minute
)

// CheckTransactions finds out whether a transactional id may be used, which
// changes nothing, and whether the cluster can have transactions at all: a
// cluster of fewer brokers than transaction.state.log.replication.factor never
// makes their topic.
func (c *Cluster) CheckTransactions(ctx context.Context, id, prefix string) error {
	k, r, begin := c.TransactionCoordinator(id), c.NewRetry("transactions"), time.Now()
	for {
		_, err := k.findBroker(ctx, 0)
		switch {
		case err == nil:
			r.Reset()
			return nil
		case !errors.Is(err, kafkago.GroupCoordinatorNotAvailable): // the code is the same for both kinds
		case time.Since(begin) > leaderPatience, time.Since(begin) > topicPatience && !c.hasTransactionTopic(ctx):
			return fmt.Errorf("%w: no broker coordinates them: "+
				"are there as many brokers as transaction.state.log.replication.factor says?", ErrNoTransactions)
		}
		if err := r.Wait(ctx, err); err != nil {
			return c.NameRight(Resource{Kind: "transactional-id", Name: prefix, Prefix: true}, "Write", err)
		}
	}
}

func (c *Cluster) hasTransactionTopic(ctx context.Context) bool {
	m, err := c.AskMetadata(ctx, transactionTopic)
	if err != nil || len(m.Topics) != 1 {
		return true // it is not known
	}
	return !errors.Is(m.Topics[0].Err, kafkago.UnknownTopicOrPartition)
}
