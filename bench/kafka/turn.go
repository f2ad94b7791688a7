package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// runner runs contenders in turns.
type runner struct {
	*settings
	*tools
	*broker
	memory string // a folder in memory for the ceiling's files, if there is one
	log    io.Writer
	turns  int
}

// load is the set of records that contenders carry.
type load struct {
	size, partitions, records int
	batch                     int
	plain, sealed             string // topics
	files                     *ceilingFiles
}

func (l *load) countBytes() float64 { return float64(l.size) * float64(l.records) }

// fitRecords returns how many records of a size fit. The cost of small ones is
// per record, so fewer bytes take as long.
func (r *runner) fitRecords(size int) int {
	data := r.data
	switch {
	case size <= 128:
		data /= 4
	}
	return max(8, int(data)/size)
}

// prepareLoad writes the records, and seals them for contenders that decrypt.
func (r *runner) prepareLoad(ctx context.Context, l *load) error {
	l.plain = fmt.Sprintf("plain-%d-%d", l.size, l.partitions)
	l.sealed = fmt.Sprintf("sealed-%d-%d", l.size, l.partitions)
	if err := r.createTopic(ctx, l.plain, l.partitions, 0); err != nil {
		return err
	}
	j := l.newJob(r, "fill")
	j.to = l.plain
	if _, err := system.RunCommand(j.makeChild(ctx)); err != nil {
		return err
	}
	if err := r.createTopic(ctx, l.sealed, l.partitions, 1); err != nil {
		return err
	}
	j.from, j.to, j.group = l.plain, l.sealed, "prepare-"+l.plain
	c := contenderNamed(encryptOnce)
	_, err := system.RunCommand(r.makeCommand(ctx, &c, j, true))
	return err
}

func (r *runner) deleteLoad(ctx context.Context, l *load) error {
	return errors.Join(r.deleteTopic(ctx, l.plain), r.deleteTopic(ctx, l.sealed), l.removeFiles())
}

func (l *load) newJob(r *runner, does string) *job {
	return &job{
		does: does, broker: r.contended, roots: r.roots, core: r.core(),
		partitions: l.partitions, records: l.records, size: l.size, batch: l.batch, codec: r.codec,
	}
}

// Turn has the measurements of one run of a contender.
type Turn struct {
	Rate float64 `json:"rate"` // records per second
	CPU  float64 `json:"cpu"`  // seconds per 10^9 bytes of payload, the whole process
	RSS  float64 `json:"rss"`  // MiB, peak
	// Broker is the processor time of the broker during the turn, in the unit
	// of CPU.
	Broker float64 `json:"broker"`
}

// patience is how long a turn may last. The longest is a few seconds on an idle
// machine.
const patience = 2 * time.Minute

// runTurn lets a contender carry all records to a topic of its own.
func (r *runner) runTurn(ctx context.Context, c *contender, l *load) (t Turn, err error) {
	if c.isCeiling() {
		return r.runCeiling(ctx, c, l)
	}
	r.turns++
	j := l.newJob(r, c.does)
	j.from, j.to, j.group = l.plain, fmt.Sprintf("turn-%d", r.turns), fmt.Sprintf("group-%d", r.turns)
	step := 1
	if c.readsSealed() {
		j.from, step = l.sealed, 2
	}
	if err := r.createTopic(ctx, j.to, l.partitions, step); err != nil {
		return Turn{}, err
	}
	defer func() { err = errors.Join(err, r.deleteTopic(context.WithoutCancel(ctx), j.to)) }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	var cmd *exec.Cmd
	if c.isOurs() {
		cmd = r.makeCommand(ctx, c, j, true)
	} else {
		cmd = j.makeChild(ctx)
	}
	o, err := contest.RunObserved(ctx, cmd, r.pid, r.watchTopic(j.to, l.partitions, l.records))
	if err != nil {
		return Turn{}, fmt.Errorf("%s: %w", c.name, err)
	}
	t = Turn{
		Rate: o.Rate, CPU: o.CPU.Seconds() / l.countBytes() * 1e9, RSS: o.RSS,
		Broker: o.Server.Seconds() / l.countBytes() * 1e9,
	}
	r.logTurn(c, l, &t)
	return t, nil
}

func (r *runner) logTurn(c *contender, l *load, t *Turn) {
	fmt.Fprintf(r.log, "%7d B  %-36s %9.0f msg/s %7.1f MB/s %6.2f core-s/GB %6.1f MiB; broker %.2f core-s/GB\n",
		l.size, c.name, t.Rate, t.Rate*float64(l.size)/1e6, t.CPU, t.RSS, t.Broker)
}

// warmUp lets the broker's virtual machine compile its code, and create its own
// topics.
func (r *runner) warmUp(ctx context.Context) error {
	l := &load{size: 1 << 10, partitions: usualPartitions, records: 100_000, batch: r.batch}
	fmt.Fprintln(r.log, "warming up, not counted:")
	if err := r.prepareLoad(ctx, l); err != nil {
		return err
	}
	for _, c := range contenders {
		if !c.isOurs() && c.name != franzPlain {
			continue
		}
		if _, err := r.runTurn(ctx, &c, l); err != nil {
			return err
		}
	}
	return r.deleteLoad(ctx, l)
}

const usualPartitions = 4

// entry is a contender and its load.
type entry struct {
	contender
	load *load
}

// runLaps gives each entry as many turns as there are rounds.
func (r *runner) runLaps(ctx context.Context, entries []entry) ([]Row, error) {
	turns, err := contest.RunLaps(r.rounds, len(entries), func(i int) (Turn, error) {
		return r.runTurn(ctx, &entries[i].contender, entries[i].load)
	})
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(entries))
	for i := range entries {
		rows[i] = newRow(&entries[i], turns[i])
	}
	return rows, nil
}

// measureSizes compares all contenders at all sizes.
func (r *runner) measureSizes(ctx context.Context) ([]Row, error) {
	var rows []Row
	for _, size := range r.sizes {
		l := &load{size: size, partitions: usualPartitions, records: r.fitRecords(size), batch: r.batch}
		if err := r.prepareLoad(ctx, l); err != nil {
			return nil, err
		}
		var entries []entry
		for _, c := range contenders {
			if strings.Contains(c.name, r.only) || c.name == franzPlain {
				entries = append(entries, entry{c, l})
			}
		}
		some, err := r.runLaps(ctx, entries)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
		if err := r.deleteLoad(ctx, l); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return a.Size - b.Size })
	return rows, nil
}

// manyBatch is the largest source batch where partitions are many: each gets a
// small share of the records.
const manyBatch = 20 << 10

// measureMany compares few partitions with many, at 1 KiB.
func (r *runner) measureMany(ctx context.Context) ([]Row, error) {
	few := &load{size: 1 << 10, partitions: usualPartitions, records: r.fitRecords(1 << 10), batch: manyBatch}
	many := *few
	many.partitions = r.partitions
	loads := []*load{few, &many}
	var entries []entry
	for _, l := range loads {
		if err := r.prepareLoad(ctx, l); err != nil {
			return nil, err
		}
		entries = append(entries, entry{contenderNamed(encryptOnce), l}, entry{contenderNamed(franzPlain), l})
	}
	rows, err := r.runLaps(ctx, entries)
	if err != nil {
		return nil, err
	}
	return rows, errors.Join(r.deleteLoad(ctx, few), r.deleteLoad(ctx, &many))
}
