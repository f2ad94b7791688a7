package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// TestRights: a right that is missing is found when the ends are opened, and
// the error has the resource, the user and the command that grants it.
func TestRights(t *testing.T) {
	t.Parallel()
	type right struct {
		kind kmsg.ACLResourceType
		name string
		op   kmsg.ACLOperation
	}
	const topic, group, txn = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeTransactionalId
	for _, test := range []struct {
		name   string
		create bool
		rights []right
		want   string // of the command; "" for no error
	}{
		{"nothing", false, nil, "--operation Read --topic in"},
		{"names only", false, []right{{topic, "in", kmsg.ACLOperationDescribe}}, "--operation Read --topic in"},
		{"the source", false, []right{{topic, "in", kmsg.ACLOperationRead}}, "--operation Read --group g"},
		{"the group's name", false, []right{
			{topic, "in", kmsg.ACLOperationRead}, {group, "g", kmsg.ACLOperationDescribe},
		}, "--operation Read --group g"},
		{"not the destination", false, []right{
			{topic, "in", kmsg.ACLOperationRead}, {group, "g", kmsg.ACLOperationRead}, {topic, "out", kmsg.ACLOperationDescribe},
		}, "--operation Write --topic out"},
		{"no new topic", true, []right{
			{topic, "in", kmsg.ACLOperationRead}, {group, "g", kmsg.ACLOperationRead}, {topic, "new", kmsg.ACLOperationWrite},
			{txn, "tx-0", kmsg.ACLOperationWrite},
		}, "--operation Create --topic new"},
		{"not the transactions", false, []right{
			{topic, "in", kmsg.ACLOperationRead}, {group, "g", kmsg.ACLOperationRead}, {topic, "out", kmsg.ACLOperationWrite},
		}, "--operation Write --transactional-id tx- --resource-pattern-type prefixed"},
		{"all", false, []right{
			{topic, "in", kmsg.ACLOperationRead}, {group, "g", kmsg.ACLOperationRead}, {topic, "out", kmsg.ACLOperationWrite},
			{txn, "tx-0", kmsg.ACLOperationWrite},
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var acls []kfake.ACL
			for _, r := range test.rights {
				acls = append(acls, kfake.ACL{
					Resource: r.kind, Name: r.name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: r.op, Allow: true,
				})
			}
			b := startBroker(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "admin"),
				kfake.User("PLAIN", "app", "secret", acls...))
			b.topic("in", 1)
			b.destination("out", 1)
			c, err := cluster.Connect(t.Context(), cluster.Options{
				Brokers: b.ListenAddrs(), SASL: plain.Mechanism{Username: "app", Password: "secret"}, Principal: "User:app", Log: quiet,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = openPair(t.Context(), c, test.create)
			missing, ok := errors.AsType[*cluster.RightError](err)
			if ok != (test.want != "") || err != nil && !ok {
				t.Fatalf("got %v", err)
			}
			if ok && (!strings.Contains(missing.Command, " --add --allow-principal User:app "+test.want) || !strings.Contains(err.Error(), missing.Name)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// openPair opens a source and its sink.
func openPair(ctx context.Context, c *cluster.Cluster, create bool) error {
	src, err := NewSource(ctx, c, SourceOptions{Topic: "in", Group: "g", TransactionalID: "tx", Log: quiet})
	if err != nil {
		return err
	}
	o := SinkOptions{Topic: "out", Source: src, Log: quiet}
	if create {
		o.Topic, o.Create = "new", true
	}
	_, err = NewSink(ctx, c, o)
	return err
}

// TestNoTransactions: a cluster that never makes the topic of its transactions
// is found out when the sink is opened.
func TestNoTransactions(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.destination("out", 1)
	b.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1,
		When: func(req kmsg.Request) bool { return req.(*kmsg.FindCoordinatorRequest).CoordinatorType == 1 },
	})
	c := b.connect(nil)
	if err := openPair(t.Context(), c, false); !errors.Is(err, cluster.ErrNoTransactions) {
		t.Errorf("got %v", err)
	}
}
