package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// IdleTopics is the cost of waiting for records of many topics in one process.
type IdleTopics struct {
	Topics     int     `json:"topics"`
	Partitions int     `json:"partitions"` // of each
	Settled    float64 `json:"settled"`    // seconds from the start until the process only waited
	Seconds    float64 `json:"seconds"`
	Core       float64 `json:"core"` // part of one
	Peak       float64 `json:"peak"` // of the memory, in MiB
}

const (
	// settleTopicsLimit is how long a process may take until it has made a
	// destination for each topic and only waits. A broker makes some 20 topics
	// of 4 partitions a second.
	settleTopicsLimit = 10 * time.Minute
	// calmTime is how long it is left alone after that: the leader of a group
	// looks for topics every 5 s.
	calmTime = 15 * time.Second
	// lookTime is how long a look at the group may take.
	lookTime = 5 * time.Second
	// The group of the process, and how the names of topics begin: sources,
	// and destinations behind a prefix of their own.
	idleGroup    = "many"
	idlePrefix   = "many-"
	sealedPrefix = "sealed-"
)

// measureIdleTopics starts a member of a group on topics without records, which
// it finds by a pattern.
func (r *runner) measureIdleTopics(ctx context.Context) (_ *IdleTopics, err error) {
	idle := &IdleTopics{Topics: r.idleTopics, Partitions: 4, Seconds: float64(r.idleFor)}
	names, all := nameIdleTopics(idle.Topics)
	defer func() { err = errors.Join(err, r.deleteTopics(context.WithoutCancel(ctx), all)) }()
	done := 0
	for some := range slices.Chunk(names, topicsAtOnce) {
		if err := r.createTopics(ctx, some, idle.Partitions, 0); err != nil {
			return nil, err
		}
		done += len(some)
		fmt.Fprintf(r.log, "%d of %d idle topics made\n", done, len(names))
	}
	begin := time.Now()
	used, err := r.measureWait(ctx, r.makeIdleCommand(ctx), func(ctx context.Context) error {
		err := awaitSettled(ctx, time.Second, settleTopicsLimit, func(ctx context.Context) (settling, error) {
			return r.readSettling(ctx, idle)
		}, func(now settling) { fmt.Fprintf(r.log, "after %v: %v\n", time.Since(begin).Round(time.Second), now) })
		if err != nil {
			return err
		}
		idle.Settled = time.Since(begin).Seconds()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(calmTime):
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	idle.Core, idle.Peak = used.core, used.peak
	return idle, nil
}

// makeIdleCommand returns the command of the process that waits.
func (r *runner) makeIdleCommand(ctx context.Context) *exec.Cmd {
	return r.MakeCommand(ctx, "idle topics", 0, "encrypt", "--key", r.Key,
		"--from", "kafka://"+r.address+"/~"+idlePrefix+"[0-9]*?group="+idleGroup,
		"--to", "kafka://"+r.address+"/"+sealedPrefix+"{topic}?create=true")
}

// nameIdleTopics returns the sources, and all topics with their destinations.
func nameIdleTopics(n int) (sources, all []string) {
	for i := range n {
		sources = append(sources, idlePrefix+strconv.Itoa(i))
		all = append(all, sources[i], sealedPrefix+sources[i])
	}
	return sources, all
}

// settling is how far a process is that makes its destinations and joins its
// group.
type settling struct {
	made, topics        int // destinations
	assigned, partition int // partitions of the sources: assigned, of so many
	state               string
}

func (s settling) String() string {
	return fmt.Sprintf("%d of %d destinations, %d of %d partitions assigned, group %s",
		s.made, s.topics, s.assigned, s.partition, s.state)
}

func (s settling) isOver() bool {
	return s.made >= s.topics && s.assigned >= s.partition && s.state == "Stable"
}

// awaitSettled looks after each pause until nothing is left to do, and shows
// each look that is news. An error says how far it came.
func awaitSettled(
	ctx context.Context, pause, limit time.Duration,
	look func(context.Context) (settling, error), show func(settling),
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it was not over after %v", limit))
	defer cancel()
	var last settling
	for {
		now, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("settling (%v): %w", last, context.Cause(ctx))
		case err != nil:
			return fmt.Errorf("settling (%v): %w", last, err)
		case now != last:
			show(now)
		}
		if now.isOver() {
			return nil
		}
		last = now
		select {
		case <-ctx.Done():
			return fmt.Errorf("settling (%v): %w", last, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// readSettling asks the broker how far the process is.
func (b *broker) readSettling(ctx context.Context, idle *IdleTopics) (settling, error) {
	now := settling{topics: idle.Topics, partition: idle.Topics * idle.Partitions}
	topics, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, b.client)
	if err != nil {
		return now, err
	}
	for i := range topics.Topics {
		t := &topics.Topics[i]
		if t.Topic != nil && t.ErrorCode == 0 && strings.HasPrefix(*t.Topic, sealedPrefix+idlePrefix) {
			now.made++
		}
	}
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{idleGroup}
	limited, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	groups, err := req.RequestWith(limited, b.client)
	if err != nil || len(groups.Groups) == 0 { // a cold broker has no coordinator yet
		now.state = fmt.Sprintf("not known: %v", err)
		return now, nil
	}
	group := &groups.Groups[0]
	if now.state = group.State; group.ErrorCode != 0 {
		now.state = kerr.ErrorForCode(group.ErrorCode).Error() // it may be made in a moment
	}
	for i := range group.Members {
		var a kmsg.ConsumerMemberAssignment
		if a.ReadFrom(group.Members[i].MemberAssignment) != nil {
			continue // it has none yet
		}
		for _, t := range a.Topics {
			now.assigned += len(t.Partitions)
		}
	}
	return now, nil
}
