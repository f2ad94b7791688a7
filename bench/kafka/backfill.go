package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Rows of a comparison of backfills, as reports name them. Both encrypt the
// same topic at least once: a run without a group has no transactions.
const (
	backfillRun = "streamcrypt backfill with a checkpoint"
	liveRun     = "streamcrypt as a member of a group"
)

// measureBackfill compares a run with an end, which keeps its positions in
// a checkpoint, with a member of a group that works off the same topic.
func (r *runner) measureBackfill(ctx context.Context) ([]Row, error) {
	l := &load{size: 1 << 10, partitions: usualPartitions, records: r.fitRecords(1 << 10), batch: r.batch}
	if err := r.prepareLoad(ctx, l); err != nil {
		return nil, err
	}
	runs := []contender{{name: backfillRun, does: "encrypt"}, {name: liveRun, does: "encrypt"}}
	turns, err := contest.RunLaps(r.rounds, len(runs), func(i int) (Turn, error) {
		return r.runBackfill(ctx, &runs[i], l)
	})
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(runs))
	for i := range runs {
		rows[i] = newRow(&entry{runs[i], l}, turns[i])
	}
	return rows, r.deleteLoad(ctx, l)
}

// runBackfill lets one of the two carry all records to a topic of its own.
func (r *runner) runBackfill(ctx context.Context, c *contender, l *load) (t Turn, err error) {
	r.turns++
	to := fmt.Sprintf("turn-%d", r.turns)
	if err := r.createTopic(ctx, to, l.partitions, 1); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, r.deleteTopic(context.WithoutCancel(ctx), to)) }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	j := l.newJob(r, c.does)
	from := fmt.Sprintf("kafka://%s/%s?until=latest", j.broker, l.plain)
	checkpoint := filepath.Join(r.folder, to+".checkpoint")
	if c.name == liveRun {
		from, checkpoint = fmt.Sprintf("kafka://%s/%s?group=%s", j.broker, l.plain, to), ""
	}
	args := []string{
		"encrypt", "--key", r.Key, "--context", "bench", "--from", j.secureURL(from),
		"--to", j.secureURL(fmt.Sprintf("kafka://%s/%s?delivery=at-least-once", j.broker, to)),
	}
	if checkpoint != "" {
		args = append(args, "--checkpoint", checkpoint)
		defer func() { err = errors.Join(err, os.Remove(checkpoint)) }()
	}
	cmd := r.MakeCommand(ctx, c.name, j.size, args...)
	j.pinToCore(cmd)
	if t, err = r.runUntilFull(ctx, cmd, r.watchTopic(to, l.partitions, l.records), l); err != nil {
		return t, fmt.Errorf("%s: %w", c.name, err)
	}
	r.logTurn(c, l, &t)
	return t, nil
}

// runUntilFull runs a command until the destination is full, and ends it.
func (r *runner) runUntilFull(ctx context.Context, cmd *exec.Cmd, d *contest.Destination, l *load) (t Turn, err error) {
	before, err := system.ReadProcessorTime(r.pid)
	if err != nil {
		return t, err
	}
	stop, err := startCarrier(cmd)
	if err != nil {
		return t, err
	}
	pace, err := d.WatchFilling(ctx)
	if err := errors.Join(err, stop()); err != nil {
		return t, err
	}
	after, err := system.ReadProcessorTime(r.pid)
	if err != nil {
		return t, err
	}
	ended := cmd.ProcessState
	t = Turn{
		Rate:   pace.Messages / pace.Took.Seconds(),
		CPU:    (ended.UserTime() + ended.SystemTime()).Seconds() / l.countBytes() * 1e9,
		Broker: (after - before).Seconds() / l.countBytes() * 1e9,
	}
	if used, ok := ended.SysUsage().(*syscall.Rusage); ok {
		t.RSS = float64(used.Maxrss) / 1024
	}
	return t, nil
}
