package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Resource is something in a cluster that rights are about.
type Resource struct {
	Kind string // topic, group or transactional-id, as kafka-acls.sh names it
	Name string
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
	return fmt.Sprintf("%s has no right to %s %s %s; grant it: %s", who, e.Operation, e.Kind, e.Name, e.Command)
}

// Unwrap gives the broker's error.
func (e *RightError) Unwrap() error { return e.Err }

// NewRightError returns the error of a right that is missing.
func (c *Cluster) NewRightError(r Resource, operation string, err error) error {
	principal := c.options.Principal
	if principal == "" {
		principal = "User:NAME"
	}
	return &RightError{
		Resource: r, Operation: operation, Principal: c.options.Principal, Err: err,
		Command: fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal %s --operation %s --%s %s",
			strings.Join(c.options.Brokers, ","), principal, operation, r.Kind, r.Name),
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

var operations = map[string]kmsg.ACLOperation{
	"Read": kmsg.ACLOperationRead, "Write": kmsg.ACLOperationWrite, "Describe": kmsg.ACLOperationDescribe,
}

// lacks tells whether a bit field of operations lacks one. A broker that does
// not say returns the least number there is.
func lacks(allowed int32, operation string) bool {
	return allowed != -1<<31 && allowed&(1<<operations[operation]) == 0
}

// CheckTopicRight asks whether this user has a right to a topic, which changes
// nothing (KIP-430). Brokers that do not know the question say nothing.
func (c *Cluster) CheckTopicRight(ctx context.Context, topic, operation string) error {
	r := Resource{"topic", topic}
	return c.RetryCall(ctx, "rights to topic "+topic, func(ctx context.Context) error {
		req := kmsg.NewPtrMetadataRequest()
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic
		req.Topics, req.IncludeTopicAuthorizedOperations = append(req.Topics, t), true
		res, _, err := c.wire.Ask(ctx, wire.Question{Broker: c.anyBroker(), Request: req, Least: 8, Most: 10})
		if err != nil {
			return ignoreVersion(err)
		}
		for _, t := range res.(*kmsg.MetadataResponse).Topics {
			switch err := ErrorFromCode(t.ErrorCode); {
			case err != nil:
				return c.NameRight(r, operation, err)
			case lacks(t.AuthorizedOperations, operation):
				return c.NewRightError(r, operation, nil)
			}
		}
		return nil
	})
}

// CheckGroupRight is the same for a group.
func (c *Cluster) CheckGroupRight(ctx context.Context, group, operation string) error {
	r, k := Resource{"group", group}, c.GroupCoordinator(group)
	err := c.RetryCall(ctx, "rights to group "+group, func(ctx context.Context) error {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
		res, err := k.Ask(ctx, req, 3, 5, 0)
		if err != nil {
			return ignoreVersion(err)
		}
		for _, g := range res.(*kmsg.DescribeGroupsResponse).Groups {
			err := ErrorFromCode(g.ErrorCode)
			if k.NoteCode(err); err != nil && !errors.Is(err, kafkago.GroupIdNotFound) {
				return err
			}
			if lacks(g.AuthorizedOperations, operation) {
				return c.NewRightError(r, operation, nil)
			}
		}
		return nil
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
func (c *Cluster) CheckTransactions(ctx context.Context, id string) error {
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
			return c.NameRight(Resource{"transactional-id", id}, "Write", err)
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
