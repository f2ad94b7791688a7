package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// TestPlans runs commands with --plan: testdata/plans.txt has each with its
// exit code and everything that it prints. Files, topics, groups, streams and
// consumers are then as before.
func TestPlans(t *testing.T) {
	golden := readTranscript(t, "plans.txt")
	inMistakesFolder(t)
	write(t, ".", "password", []byte("secret\n"))
	servers := startPlanServers(t)
	golden.check(t, 14, func(command string) string {
		before := listWorld(t, servers)
		env, args := splitCommand(servers.fillIn(command))
		code, stdout, stderr := runBinary(t.Context(), t, env, args...)
		if after := listWorld(t, servers); after != before {
			t.Errorf("%s: changed\n%s\nto\n%s", command, before, after)
		}
		return fmt.Sprintf("exit %d\n%s%s", code, servers.takeOut(stdout), servers.takeOut(spoken(t, stderr)))
	})
}

func startPlanServers(t *testing.T) mistakenServers {
	t.Helper()
	allow := func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{
			Resource: resource, Name: name, Operation: operation, Pattern: kmsg.ACLResourcePatternTypeLiteral, Allow: true,
		}
	}
	const topic, group = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	s := mistakenServers{
		"ARN": fakeARN, "KMS": startKMS(t), "AWS": strings.Join(awsVariables, " "),
		"KAFKA": startKafka(t, kfake.SeedTopics(3, "orders", "sealed"), kfake.EnableSASL(), kfake.EnableACLs(),
			kfake.Superuser("PLAIN", "root", "secret"),
			kfake.User("PLAIN", "joe", "secret",
				allow(topic, "orders", kmsg.ACLOperationRead), allow(topic, "orders", kmsg.ACLOperationDescribeConfigs),
				allow(group, "enc", kmsg.ACLOperationRead), allow(topic, "sealed", kmsg.ACLOperationDescribe),
			)),
		"NATS": startNATSWith(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{
			{Username: "root", Password: "secret"},
			{Username: "joe", Password: "secret", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{"$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.INFO.>", "$SYS.REQ.USER.INFO"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
			}},
		}}),
	}
	js := connectRoot(t, s)
	for _, name := range []string{"ORDERS", "SEALED"} {
		subject := strings.ToLower(name) + ".>"
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.Publish(t.Context(), "orders.eu", []byte("widget")); err != nil {
		t.Fatal(err)
	}
	return s
}

// connectRoot returns a connection that may do everything.
func connectRoot(t *testing.T, s mistakenServers) jetstream.JetStream {
	t.Helper()
	return connectNATS(t, "nats://"+s["NATS"], natsgo.UserInfo("root", "secret"))
}

// listWorld lists everything that a plan must not change.
func listWorld(t *testing.T, s mistakenServers) string {
	t.Helper()
	js := connectRoot(t, s)
	world := []string{listFolder(t)}
	for info := range js.ListStreams(t.Context()).Info() {
		world = append(world, fmt.Sprintf("stream %s: %d messages", info.Config.Name, info.State.Msgs))
		stream, err := js.Stream(t.Context(), info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		for consumer := range stream.ListConsumers(t.Context()).Info() {
			world = append(world, "consumer "+consumer.Name)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s["KAFKA"]), kgo.SASL(plain.Auth{User: "root", Pass: "secret"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics.Topics {
		world = append(world, fmt.Sprintf("topic %s: %d", *topic.Topic, len(topic.Partitions)))
	}
	groups, err := kmsg.NewPtrListGroupsRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range groups.Groups {
		world = append(world, "group "+group.Group)
	}
	slices.Sort(world)
	return strings.Join(world, "\n")
}
