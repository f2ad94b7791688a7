package main

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// TestSettling shows each step once, and ends at the last one, with an error of
// the broker, or at its limit: with how far it came.
func TestSettling(t *testing.T) {
	half := settling{made: 1, topics: 2, assigned: 0, partition: 8, state: "Empty"}
	whole := settling{made: 2, topics: 2, assigned: 8, partition: 8, state: "Stable"}
	rounds := whole
	rounds.state = "PreparingRebalance"
	away := errors.New("away")
	for name, test := range map[string]struct {
		looks []settling // the last one for ever
		fails error      // of the look behind them
		shown []settling
		text  string
	}{
		"over":   {looks: []settling{half, half, rounds, whole}, shown: []settling{half, rounds, whole}},
		"limit":  {looks: []settling{half}, shown: []settling{half}, text: "1 of 2 destinations, 0 of 8 partitions assigned, group Empty): it was not over after 1m0s"},
		"broken": {looks: []settling{half}, fails: away, shown: []settling{half}, text: "away"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				looks := 0
				var shown []settling
				err := awaitSettled(t.Context(), time.Second, time.Minute, func(context.Context) (settling, error) {
					looks++
					if looks > len(test.looks) && test.fails != nil {
						return settling{}, test.fails
					}
					return test.looks[min(looks, len(test.looks))-1], nil
				}, func(s settling) { shown = append(shown, s) })
				switch {
				case (err != nil) != (test.text != "") || err != nil && !strings.Contains(err.Error(), test.text):
					t.Errorf("%v, want %q", err, test.text)
				case !slices.Equal(shown, test.shown):
					t.Errorf("shown: %v", shown)
				}
			})
		})
	}
}

// TestIdleCommand has the process of many topics be profiled as every other is.
func TestIdleCommand(t *testing.T) {
	r := &runner{
		tools:  &tools{Program: &contest.Program{Path: "command", Key: "local:key"}},
		broker: &broker{address: "here"},
	}
	plain := r.makeIdleCommand(t.Context())
	if plain.Args[1] != "encrypt" {
		t.Errorf("%v", plain.Args)
	}
	r.ProfileInto(t.TempDir())
	profiled := r.makeIdleCommand(t.Context())
	if filepath.Ext(profiled.Args[1]) != ".pprof" || !slices.Equal(profiled.Args[2:], plain.Args[1:]) {
		t.Errorf("%v", profiled.Args)
	}
}

// TestReadSettling counts destinations and assigned partitions.
func TestReadSettling(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(4, "many-0", "many-1", "sealed-many-1", "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cold := true // at first it has no coordinator
	a := kmsg.NewConsumerMemberAssignment()
	topic := kmsg.NewConsumerMemberAssignmentTopic()
	topic.Topic, topic.Partitions = "many-0", []int32{0, 1, 3}
	a.Topics = append(a.Topics, topic)
	cluster.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		res := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
		group := kmsg.NewDescribeGroupsResponseGroup()
		group.Group, group.State = idleGroup, "Stable"
		if cold {
			cluster.KeepControl()
			group.ErrorCode = kerr.CoordinatorNotAvailable.Code
			res.Groups = append(res.Groups, group)
			return res, nil, true
		}
		for _, assignment := range [][]byte{a.AppendTo(nil), nil} {
			member := kmsg.NewDescribeGroupsResponseGroupMember()
			member.MemberAssignment = assignment
			group.Members = append(group.Members, member)
		}
		res.Groups = append(res.Groups, group)
		return res, nil, true
	})
	if now, err := (&broker{client: c}).readSettling(t.Context(), &IdleTopics{Topics: 2, Partitions: 4}); err != nil || now.isOver() || now.made != 1 {
		t.Errorf("a cold broker: %v, %v", now, err)
	}
	cold = false
	now, err := (&broker{client: c}).readSettling(t.Context(), &IdleTopics{Topics: 2, Partitions: 4})
	want := settling{made: 1, topics: 2, assigned: 3, partition: 8, state: "Stable"}
	if err != nil || now != want {
		t.Errorf("%v, %v; want %v", now, err, want)
	}
}

// TestWaitEnds ends a measurement with its process, and says why that has ended.
func TestWaitEnds(t *testing.T) {
	var log bytes.Buffer
	r := &runner{settings: &settings{idleFor: 3600}, log: &log}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "echo no topics >&2; exit 2")
	_, err := r.measureWait(t.Context(), cmd, func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if err == nil || !strings.Contains(err.Error(), "exit status 2: no topics") {
		t.Error(err)
	}
}
