package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Idle is the cost of waiting for records.
type Idle struct {
	Partitions int     `json:"partitions"`
	Seconds    float64 `json:"seconds"`
	Ours       float64 `json:"streamcrypt"` // part of a core
	Franz      float64 `json:"franz"`       // the same of franz-go's copy
}

// settleTime is how long a process of one topic may take until it only waits.
const settleTime = 10 * time.Second

// letPass is a settling that takes settleTime.
func letPass(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(settleTime):
		return nil
	}
}

// measureIdle starts members of groups on a topic without records and measures
// their processor time.
func (r *runner) measureIdle(ctx context.Context) (*Idle, error) {
	const from, to = "idle", "idle-to"
	if err := r.createTopic(ctx, from, r.idle, 0); err != nil {
		return nil, err
	}
	if err := r.createTopic(ctx, to, r.idle, 1); err != nil {
		return nil, err
	}
	idle := &Idle{Partitions: r.idle, Seconds: float64(r.idleFor)}
	j := &job{
		broker: r.contended, roots: r.roots, core: r.core(),
		from: from, to: to, partitions: r.idle, records: 1, size: 1 << 10,
	}
	ours, franz := contenderNamed(encryptOnce), *j
	j.group, franz.group, franz.does = "idle-ours", "idle-franz", "franz-copy"
	used, err := r.measureWait(ctx, r.makeCommand(ctx, &ours, j, false), letPass)
	if err != nil {
		return nil, err
	}
	idle.Ours = used.core
	if used, err = r.measureWait(ctx, franz.makeChild(ctx), letPass); err != nil {
		return nil, err
	}
	idle.Franz = used.core
	return idle, errors.Join(r.deleteTopic(ctx, from), r.deleteTopic(ctx, to))
}

// waiting is the cost of a process that waits.
type waiting struct {
	core float64 // part of one
	peak float64 // of the memory since its start, in MiB
}

// measureWait starts a command that does not end, waits for settle to return,
// and returns the cost of the command's waiting from then on. The context of
// settle ends with the command.
func (r *runner) measureWait(
	ctx context.Context, cmd *exec.Cmd, settle func(context.Context) error,
) (_ waiting, err error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return waiting{}, err
	}
	ended := make(chan struct{})
	alive, end := context.WithCancelCause(ctx)
	go func() {
		defer close(ended)
		err := cmd.Wait()
		end(fmt.Errorf("%v ended: %w: %s", cmd.Args, err, lastLines(said.Bytes())))
	}()
	defer func() {
		// The process may end with an error at the signal, or not end at all;
		// the measurement is complete in both cases.
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(endTime):
			err = errors.Join(err, cmd.Process.Kill(), fmt.Errorf("it did not end within %v", endTime))
			<-ended
		}
	}()
	if err := settle(alive); err != nil {
		return waiting{}, err
	}
	before, err := system.ReadProcessorTime(cmd.Process.Pid)
	if err != nil {
		return waiting{}, err
	}
	begin := time.Now()
	select {
	case <-alive.Done():
		return waiting{}, context.Cause(alive)
	case <-time.After(time.Duration(r.idleFor) * time.Second):
	}
	after, err := system.ReadProcessorTime(cmd.Process.Pid)
	if err != nil {
		return waiting{}, err
	}
	peak, err := system.ReadPeak(cmd.Process.Pid)
	took := time.Since(begin)
	fmt.Fprintf(r.log, "%v: %v in %v, %.0f MiB\n", cmd.Args[:2], after-before, took.Round(time.Millisecond), peak)
	return waiting{core: (after - before).Seconds() / took.Seconds(), peak: peak}, err
}

// endTime is how long a process may take to end: its own grace, and some
// more on a busy machine.
const endTime = time.Minute

// lastLines returns the end of a log, which says why its process ended.
func lastLines(said []byte) []byte {
	const most = 2000
	said = bytes.TrimSpace(said)
	return said[max(0, len(said)-most):]
}
