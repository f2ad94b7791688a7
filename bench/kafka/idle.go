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

// settle is how long a process may take until it only waits.
const settle = 10 * time.Second

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
	j := &job{broker: r.address, from: from, to: to, partitions: r.idle, records: 1, size: 1 << 10}
	ours, franz := contenderNamed(encryptOnce), *j
	j.group, franz.group, franz.does = "idle-ours", "idle-franz", "franz-copy"
	used, err := r.measureWait(ctx, r.makeCommand(ctx, &ours, j, false), settle)
	if err != nil {
		return nil, err
	}
	idle.Ours = used.core
	if used, err = r.measureWait(ctx, franz.makeChild(ctx), settle); err != nil {
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

// measureWait starts a command that does not end, lets it settle, and returns
// the cost of its waiting from then on.
func (r *runner) measureWait(ctx context.Context, cmd *exec.Cmd, settle time.Duration) (_ waiting, err error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return waiting{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	pause := func(d time.Duration) error {
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("%v ended: %w: %s", cmd.Args, err, bytes.TrimSpace(said.Bytes()))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
	defer func() {
		// The process may end with an error at the signal, or not end at all;
		// the measurement is complete in both cases.
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended: //nolint:errcheck // see above
		case <-time.After(15 * time.Second):
			err = errors.Join(err, cmd.Process.Kill(), errors.New("it did not end"))
			<-ended //nolint:errcheck // see above
		}
	}()
	if err := pause(settle); err != nil {
		return waiting{}, err
	}
	before, err := system.ReadProcessorTime(cmd.Process.Pid)
	if err != nil {
		return waiting{}, err
	}
	begin := time.Now()
	if err := pause(time.Duration(r.idleFor) * time.Second); err != nil {
		return waiting{}, err
	}
	after, err := system.ReadProcessorTime(cmd.Process.Pid)
	if err != nil {
		return waiting{}, err
	}
	peak, err := system.ReadPeak(cmd.Process.Pid)
	took := time.Since(begin)
	fmt.Fprintf(r.log, "%v: %v in %v\n", cmd.Args[:2], after-before, took.Round(time.Millisecond))
	return waiting{core: (after - before).Seconds() / took.Seconds(), peak: peak}, err
}
