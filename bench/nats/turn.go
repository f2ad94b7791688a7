package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
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
	_, err := system.RunCommand(r.makeCommand(ctx, &c, j))
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
		cmd = r.makeCommand(ctx, c, j)
	}
	to, err := r.watchStream(ctx, j.to, l.messages)
	if err != nil {
		return Turn{}, err
	}
	o, err := contest.RunObserved(ctx, cmd, r.cmd.Process.Pid, to)
	if err != nil {
		return Turn{}, fmt.Errorf("%s: %w", c.name, err)
	}
	t = Turn{
		Rate: o.Rate, RSS: o.RSS, CPU: o.CPU.Seconds() * 1e6 / float64(l.messages),
		Server: o.Server.Seconds() * 1e6 / float64(l.messages),
	}
	fmt.Fprintf(r.log, "%7d B  %-28s %9.0f msg/s %7.1f MB/s %7.1f us/msg %6.1f MiB; server %.1f us/msg\n",
		l.size, c.name, t.Rate, t.Rate*float64(l.size)/1e6, t.CPU, t.RSS, t.Server)
	return t, nil
}

// runLaps gives each contender as many turns as there are rounds.
func (r *runner) runLaps(ctx context.Context, l *load, all []contender) ([]Row, error) {
	turns, err := contest.RunLaps(r.rounds, len(all), func(i int) (Turn, error) {
		return r.runTurn(ctx, &all[i], l)
	})
	if err != nil {
		return nil, err
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
