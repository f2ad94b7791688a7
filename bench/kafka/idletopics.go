package main

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"time"
)

// IdleTopics is the cost of waiting for records of many topics in one process.
type IdleTopics struct {
	Topics     int     `json:"topics"`
	Partitions int     `json:"partitions"` // of each
	Seconds    float64 `json:"seconds"`
	Core       float64 `json:"core"` // part of one
	Peak       float64 `json:"peak"` // of the memory, in MiB
}

// settleTopics is how long a process may take until it has made a destination
// for each topic and only waits.
const settleTopics = time.Minute

// measureIdleTopics starts a member of a group on topics without records, which
// it finds by a pattern.
func (r *runner) measureIdleTopics(ctx context.Context) (*IdleTopics, error) {
	idle := &IdleTopics{Topics: r.idleTopics, Partitions: 4, Seconds: float64(r.idleFor)}
	names := make([]string, idle.Topics)
	for n := range names {
		names[n] = "many-" + strconv.Itoa(n)
		if err := r.createTopic(ctx, names[n], idle.Partitions, 0); err != nil {
			return nil, err
		}
	}
	//nolint:gosec // just built
	cmd := exec.CommandContext(ctx, r.Path, "encrypt", "--key", r.Key,
		"--from", "kafka://"+r.address+"/~many-[0-9]*?group=many",
		"--to", "kafka://"+r.address+"/sealed-{topic}?create=true")
	used, err := r.measureWait(ctx, cmd, settleTopics)
	if err != nil {
		return nil, err
	}
	idle.Core, idle.Peak = used.core, used.peak
	for _, name := range names {
		err = errors.Join(err, r.deleteTopic(ctx, name), r.deleteTopic(ctx, "sealed-"+name))
	}
	return idle, err
}
