package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// reloadLimit is how many times as large as before the largest gap between the
// commits of a route may be while another route is changed.
const reloadLimit = 2

// The rig of a reload: partitions of each topic, and messages a second.
const (
	reloadPartitions = 4
	reloadRate       = 200
)

// reloadRig is a process with a route that is changed and one that is not.
type reloadRig struct {
	dir     string
	broker  *kfake.Cluster
	key     string // URL
	process *routesProcess
	changed chan struct{} // has an element for each change
	window  int           // of the route that is changed, in minutes

	mu   sync.Mutex
	last time.Time     // of the commits of the other route
	gap  time.Duration // the largest between them
}

// measureReload measures the gaps between the commits of a route while another
// one is changed, against those before.
func measureReload(ctx context.Context, before time.Duration) (_ []Figure, err error) {
	changes := 5
	if before < time.Minute {
		changes = 2
	}
	dir, err := os.MkdirTemp("", "streamcrypt-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &reloadRig{dir: dir, changed: make(chan struct{}, 1)}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	defer r.broker.Close()
	defer func() { err = errors.Join(err, r.process.end()) }()
	produceUntil, stop := context.WithCancel(ctx)
	defer stop()
	producing := make(chan error, 1)
	go func() { producing <- r.produce(produceUntil) }()
	if err := r.awaitCommits(ctx); err != nil {
		return nil, err
	}
	r.takeGap()
	if err := sleep(ctx, before); err != nil {
		return nil, err
	}
	usual := r.takeGap()
	began := time.Now()
	for range changes {
		if err := r.change(ctx); err != nil {
			return nil, err
		}
		if err := sleep(ctx, time.Second); err != nil { // the changed route begins
			return nil, err
		}
	}
	gap, took := r.takeGap(), time.Since(began)
	stop()
	if err := <-producing; err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	return []Figure{{
		Part: "reload", Name: "largest gap between commits of another route, over that before",
		Value: float64(gap) / float64(usual), Unit: "x", Limit: newLimit(reloadLimit),
		Beside: map[string]float64{
			"gap ms": gap.Seconds() * 1e3, "before ms": usual.Seconds() * 1e3, "changes": float64(changes),
		},
		Note: fmt.Sprintf("%.0f ms within %.1f s with %d changes, and %.0f ms in the %.0f s before",
			gap.Seconds()*1e3, took.Seconds(), changes, usual.Seconds()*1e3, before.Seconds()),
	}}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// start starts the broker and the process.
func (r *reloadRig) start(ctx context.Context) (err error) {
	program, key, err := system.BuildWithKey(ctx, "..", r.dir)
	if err != nil {
		return err
	}
	r.key = key
	r.broker, err = startBroker(reloadPartitions, "steady", "steady.sealed", "changed", "changed.sealed")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.broker.Close()
		}
	}()
	for _, key := range []kmsg.Key{kmsg.OffsetCommit, kmsg.TxnOffsetCommit} {
		r.broker.ControlKey(key.Int16(), r.noteCommit)
	}
	settings, err := r.writeSettings()
	if err != nil {
		return err
	}
	r.process, err = startRoutes(ctx, program, settings, func(line string) {
		if strings.Contains(line, `"started":["changed"],"ended":["changed"]`) {
			r.changed <- struct{}{}
		}
	})
	if err != nil {
		return err
	}
	return r.process.awaitReady(ctx)
}

// writeSettings writes a configuration in which one route is another one than
// before.
func (r *reloadRig) writeSettings() (string, error) {
	r.window++
	broker := r.broker.ListenAddrs()[0]
	text := fmt.Sprintf(`
ops: 127.0.0.1:0
reload: 0s
defaults: {key: '%[1]s'}
routes:
  steady:
    do: encrypt
    from: kafka://%[2]s/steady?group=steady
    to: kafka://%[2]s/steady.sealed?oversize=reject
  changed:
    do: encrypt
    from: kafka://%[2]s/changed?group=changed
    to: kafka://%[2]s/changed.sealed?oversize=reject
    window: %[3]dm
`, r.key, broker, r.window)
	settings := filepath.Join(r.dir, "run.yaml")
	return settings, os.WriteFile(settings, []byte(text), 0o600)
}

// change changes one route, and waits until it has been started again.
func (r *reloadRig) change(ctx context.Context) error {
	if _, err := r.writeSettings(); err != nil {
		return err
	}
	if err := r.process.command.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	select {
	case <-r.changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errors.New("nothing has changed within a minute of SIGHUP")
	}
}

// noteCommit notes when a commit of the route that is not changed comes to the
// broker, which then handles it.
//
//nolint:revive,nilnil // as kfake has it: false says that there is no answer
func (r *reloadRig) noteCommit(request kmsg.Request) (kmsg.Response, error, bool) {
	group := ""
	switch request := request.(type) {
	case *kmsg.OffsetCommitRequest:
		group = request.Group
	case *kmsg.TxnOffsetCommitRequest:
		group = request.Group
	}
	if group != "steady" {
		return nil, nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.last.IsZero() {
		r.gap = max(r.gap, now.Sub(r.last))
	}
	r.last = now
	return nil, nil, false
}

// takeGap returns the largest gap since the last call, one that has not ended
// included.
func (r *reloadRig) takeGap() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	gap := max(r.gap, time.Since(r.last))
	r.gap = 0
	return gap
}

// awaitCommits waits for the first commit.
func (r *reloadRig) awaitCommits(ctx context.Context) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		r.mu.Lock()
		begun := !r.last.IsZero()
		r.mu.Unlock()
		if begun {
			return sleep(ctx, 3*time.Second) // until both routes are at the pace of the producer
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("no commit within a minute")
}

// produce writes messages to the sources at the rate, until ctx ends.
func (r *reloadRig) produce(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.broker.ListenAddrs()...), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(time.Second / reloadRate)
	defer tick.Stop()
	value := make([]byte, messageBytes)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		client.Produce(ctx, &kgo.Record{Topic: "steady", Value: value}, nil)
		client.Produce(ctx, &kgo.Record{Topic: "changed", Value: value}, nil)
	}
}
