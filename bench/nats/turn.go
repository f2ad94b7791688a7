package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// runner runs contenders in turns.
type runner struct {
	*settings
	*tools
	*server
	log   io.Writer
	turns int
}

// load is the set of messages that contenders carry.
type load struct {
	size, messages int
	plain, sealed  string // streams
}

// fitMessages returns how many messages of a size fit.
func (r *runner) fitMessages(size int) int { return max(8, min(r.most, int(r.data)/size)) }

func (l *load) newJob(r *runner, c *contender) *job {
	return &job{does: c.does, mode: c.mode, server: r.url, messages: l.messages, size: l.size}
}

// prepareLoad writes the messages, and seals them for contenders that decrypt.
func (r *runner) prepareLoad(ctx context.Context, l *load) error {
	l.plain, l.sealed = fmt.Sprintf("plain-%d", l.size), fmt.Sprintf("sealed-%d", l.size)
	for _, name := range []string{l.plain, l.sealed} {
		if err := r.createStream(ctx, name); err != nil {
			return err
		}
	}
	j := l.newJob(r, &contender{does: "fill"})
	j.to = l.plain
	if _, err := system.RunCommand(j.makeChild(ctx)); err != nil {
		return err
	}
	c := contenderNamed(asyncEncrypt)
	j.from, j.to, j.consumer = l.plain, l.sealed, "prepare"
	_, err := system.RunCommand(r.makeCommand(ctx, &c, j, r.workers))
	return errors.Join(err, r.js.DeleteConsumer(ctx, l.plain, j.consumer))
}

func (r *runner) deleteLoad(ctx context.Context, l *load) error {
	return errors.Join(r.js.DeleteStream(ctx, l.plain), r.js.DeleteStream(ctx, l.sealed))
}

// Turn has the measurements of one run of a contender.
type Turn struct {
	Rate float64 `json:"rate"` // messages per second
	CPU  float64 `json:"cpu"`  // microseconds per message, the whole process
	RSS  float64 `json:"rss"`  // MiB, peak
	// Server is the processor time of the server during the turn, in the unit
	// of CPU.
	Server float64 `json:"server"`
}

// runTurn lets a contender carry all messages to a stream of its own.
func (r *runner) runTurn(ctx context.Context, c *contender, l *load) (t Turn, err error) {
	r.turns++
	j := l.newJob(r, c)
	j.from, j.to, j.consumer = l.plain, fmt.Sprintf("turn-%d", r.turns), fmt.Sprintf("turn-%d", r.turns)
	if c.readsSealed() {
		j.from = l.sealed
	}
	if err := r.createStream(ctx, j.to); err != nil {
		return Turn{}, err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, r.js.DeleteStream(ctx, j.to), r.js.DeleteConsumer(ctx, j.from, j.consumer))
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	cmd := j.makeChild(ctx)
	if c.ours {
		cmd = r.makeCommand(ctx, c, j, r.workers)
	}
	before, err := system.ReadProcessorTime(r.cmd.Process.Pid)
	if err != nil {
		return Turn{}, err
	}
	used, pace, err := r.runObserved(ctx, cmd, j.to, l)
	if err != nil {
		return Turn{}, fmt.Errorf("%s: %w", c.name, err)
	}
	after, err := system.ReadProcessorTime(r.cmd.Process.Pid)
	if err != nil {
		return Turn{}, err
	}
	t = Turn{
		Rate: pace.messages / pace.took.Seconds(), RSS: used.RSS,
		CPU:    used.CPU.Seconds() * 1e6 / float64(l.messages),
		Server: (after - before).Seconds() * 1e6 / float64(l.messages),
	}
	fmt.Fprintf(r.log, "%7d B  %-28s %9.0f msg/s %7.1f MB/s %7.1f us/msg %6.1f MiB; server %.1f us/msg\n",
		l.size, c.name, t.Rate, t.Rate*float64(l.size)/1e6, t.CPU, t.RSS, t.Server)
	return t, nil
}

// runObserved runs a command and watches the stream that it fills.
func (r *runner) runObserved(ctx context.Context, cmd *exec.Cmd, stream string, l *load) (system.Usage, pace, error) {
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type result struct {
		pace pace
		err  error
	}
	watched := make(chan result, 1)
	go func() {
		p, err := r.watchStream(watching, stream, uint64(l.messages))
		watched <- result{p, err}
	}()
	used, err := system.RunCommand(cmd)
	if err != nil {
		cancel(err)
		<-watched
		return system.Usage{}, pace{}, err
	}
	late := time.AfterFunc(5*time.Second, func() { cancel(errors.New("the process has ended")) })
	defer late.Stop()
	w := <-watched
	return used, w.pace, w.err
}

// runLaps gives each contender as many turns as there are rounds, in turns: A B
// C, C B A.
func (r *runner) runLaps(ctx context.Context, l *load, all []contender) ([]Row, error) {
	turns := make([][]Turn, len(all))
	for round := range r.rounds {
		for i := range all {
			if round%2 == 1 {
				i = len(all) - 1 - i
			}
			t, err := r.runTurn(ctx, &all[i], l)
			if err != nil {
				return nil, err
			}
			turns[i] = append(turns[i], t)
		}
	}
	rows := make([]Row, len(all))
	for i := range all {
		rows[i] = newRow(&all[i], l, turns[i])
	}
	return rows, nil
}

// chooseContenders returns those that the settings ask for.
func (r *runner) chooseContenders(from []contender) []contender {
	var all []contender
	for _, c := range from {
		if strings.Contains(c.name, r.only) || c.name == usualCopy {
			all = append(all, c)
		}
	}
	return all
}

// measureLoads compares contenders at some sizes, on a server of its own.
func (r *runner) measureLoads(
	ctx context.Context, dir string, sync bool, loads []*load, all []contender,
) (_ []Row, err error) {
	if r.server, err = startServer(ctx, r.tools.server, dir, sync); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	var rows []Row
	for _, l := range loads {
		if err := r.prepareLoad(ctx, l); err != nil {
			return nil, err
		}
		some, err := r.runLaps(ctx, l, r.chooseContenders(all))
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
		if err := r.deleteLoad(ctx, l); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// measureSizes compares all contenders at all sizes.
func (r *runner) measureSizes(ctx context.Context) ([]Row, error) {
	dir := r.settings.dir
	if _, err := os.Stat(inMemory); dir == "" && err == nil {
		dir = inMemory
	}
	var loads []*load
	for _, size := range r.sizes {
		loads = append(loads, &load{size: size, messages: r.fitMessages(size)})
	}
	return r.measureLoads(ctx, dir, false, loads, contenders)
}

// inMemory is a folder of Linux with its files in memory: the work of a disk
// would disturb every other turn.
const inMemory = "/dev/shm"

// measureSynced compares publish modes at 1 KiB on a server that makes every
// write durable.
func (r *runner) measureSynced(ctx context.Context) ([]Row, error) {
	const size = 1 << 10
	var all []contender
	for _, name := range []string{asyncCopy, asyncEncrypt, batchCopy, batchEncrypt} {
		all = append(all, contenderNamed(name))
	}
	loads := []*load{{size: size, messages: min(20_000, r.fitMessages(size))}}
	return r.measureLoads(ctx, r.disk, true, loads, all)
}
