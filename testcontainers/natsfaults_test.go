package testcontainers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsFault is something that goes wrong, and is made good again before inflict
// returns.
type natsFault struct {
	name    string
	short   bool // is part of the short form
	inflict func(context.Context, *natsRun)
}

// natsRun is a run of the suite with one seed.
type natsRun struct {
	*natsRoutes
	rnd  *rand.Rand
	long bool
	may  expectation
}

// The environment asks for the long form: over how many seeds, which is the
// first one, how many kills at random moments, and which faults.
const (
	natsFaultsSeeds = "NATS_FAULTS_SEEDS"
	natsFaultsSeed  = "NATS_FAULTS_SEED"
	natsFaultsKills = "NATS_FAULTS_KILLS"
	natsFaultsNames = "NATS_FAULTS_NAMES"
)

// TestNATSFaults has two routes seal a stream on three servers, and lets go
// wrong all that can. However it goes, nothing is lost or sealed twice, the
// newest value of a subject is its last one, and all goes on by itself.
func TestNATSFaults(t *testing.T) {
	first := envNumber(t, natsFaultsSeed, 1)
	seeds := envNumber(t, natsFaultsSeeds, 0)
	if seeds == 0 {
		runNATSFaults(t, first, false)
		return
	}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runNATSFaults(t, seed, true) })
	}
}

func runNATSFaults(t *testing.T, seed uint64, long bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	t.Logf("%s=%d", natsFaultsSeed, seed)
	run := &natsRun{natsRoutes: openNATSRoutes(ctx, t, 3), rnd: rand.New(rand.NewPCG(seed, 7)), long: long}
	run.sinks[0].publish = []string{"async", "batch", "fast"}[seed%3]
	run.begin(ctx)
	run.awaitFlow(ctx)
	for _, i := range run.rnd.Perm(len(natsFaultsList)) {
		f := natsFaultsList[i]
		if only := os.Getenv(natsFaultsNames); !long && !f.short || only != "" && !strings.Contains(f.name, only) {
			continue
		}
		run.publishBurst(ctx)
		began := time.Now()
		f.inflict(ctx, run)
		gone := time.Now()
		run.awaitFlow(ctx)
		t.Logf("%-40s took %5.1f s, all flowed %5.1f s later", f.name, gone.Sub(began).Seconds(), time.Since(gone).Seconds())
	}
	run.end(ctx)
	run.check(ctx, run.may)
}

// rest waits for a random time: the moment of a fault comes from the seed.
func (run *natsRun) rest(most time.Duration) { time.Sleep(time.Duration(run.rnd.Int64N(int64(most)))) }

// publishBurst publishes many messages, and returns at a random time in the
// middle of the writes that they cause.
func (run *natsRun) publishBurst(ctx context.Context) {
	run.pause.Lock()
	run.publishSome(ctx, 500)
	run.pause.Unlock()
	run.rest(150 * time.Millisecond)
}

func (run *natsRun) node() *natsNode { return run.nodes[run.rnd.IntN(len(run.nodes))] }

func (run *natsRun) sink() *natsSink { return run.sinks[run.rnd.IntN(len(run.sinks))] }

// leader is the node that leads a stream.
func (run *natsRun) leader(ctx context.Context, stream string) *natsNode {
	run.Helper()
	var found *natsNode
	eventually(ctx, run.T, "no leader of "+stream, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		held, err := run.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		for _, n := range run.nodes {
			if info := held.CachedInfo(); info.Cluster != nil && info.Cluster.Leader == n.name {
				found = n
				return nil
			}
		}
		return fmt.Errorf("none of the nodes: %+v", held.CachedInfo().Cluster)
	})
	return found
}

// kill takes a process away without a word, and starts it again.
func (run *natsRun) kill(s *natsSink, i int) {
	run.Helper()
	s.processes[i].kill(run.T)
	run.beginProcess(s, i)
}

var natsFaultsList = []natsFault{
	{"kill -9 of processes", true, func(ctx context.Context, run *natsRun) {
		kills := uint64(2)
		if run.long {
			kills = envNumber(run.T, natsFaultsKills, 20)
		}
		for range kills {
			run.publishBurst(ctx)
			run.kill(run.sink(), run.rnd.IntN(2))
			run.rest(3 * time.Second)
		}
	}},
	{"processes stopped past their lease", true, func(_ context.Context, run *natsRun) {
		victim := run.rnd.IntN(2)
		for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			for _, sink := range run.sinks {
				if err := sink.processes[victim].cmd.Process.Signal(s); err != nil {
					run.Fatal(err)
				}
			}
			if s == syscall.SIGSTOP {
				time.Sleep(12 * time.Second) // a lease is 10 s
			}
		}
	}},
	{"server restarted", false, func(_ context.Context, run *natsRun) { run.restart(run.node(), syscall.SIGTERM) }},
	{"server killed", false, func(_ context.Context, run *natsRun) { run.restart(run.node(), syscall.SIGKILL) }},
	{"leader of the source killed", true, func(ctx context.Context, run *natsRun) {
		run.restart(run.leader(ctx, natsSource), syscall.SIGKILL)
	}},
	{"leaders of the sinks killed", false, func(ctx context.Context, run *natsRun) {
		for _, s := range run.sinks {
			run.restart(run.leader(ctx, s.stream), syscall.SIGKILL)
		}
	}},
	{"all servers away", true, func(_ context.Context, run *natsRun) {
		for _, n := range run.nodes {
			n.stop(run.T, syscall.SIGKILL)
		}
		time.Sleep(3 * time.Second)
		for _, n := range run.nodes {
			n.start(run.T)
		}
	}},
	{"lame duck", false, func(_ context.Context, run *natsRun) {
		run.restart(run.node(), syscall.SIGUSR2)
	}},
	{"connections cut", true, func(_ context.Context, run *natsRun) {
		for range 5 {
			for _, p := range run.proxies {
				p.cut()
			}
			run.rest(500 * time.Millisecond)
		}
	}},
	{"connections stalled", false, func(_ context.Context, run *natsRun) {
		for _, p := range run.proxies {
			p.stall()
		}
		time.Sleep(30 * time.Second)
		for _, p := range run.proxies {
			p.mend()
		}
	}},
	{"answers swallowed", false, func(_ context.Context, run *natsRun) {
		for _, p := range run.proxies {
			p.swallowAnswers()
		}
		time.Sleep(30 * time.Second)
		for _, p := range run.proxies {
			p.mend()
		}
	}},
	{"acknowledgements lost, processes killed", true, func(ctx context.Context, run *natsRun) {
		run.loseAcks(ctx, false)
	}},
	{"acknowledgements lost, sink purged, processes killed", true, func(ctx context.Context, run *natsRun) {
		run.loseAcks(ctx, true)
	}},
	{"publishes lost, connections cut", true, func(ctx context.Context, run *natsRun) { run.loseRequests(ctx) }},
	{"consumers deleted", true, func(ctx context.Context, run *natsRun) {
		run.changeConsumers(ctx, "delete", func(ctx context.Context, consumer string) error {
			err := run.js.DeleteConsumer(ctx, natsSource, consumer)
			if errors.Is(err, jetstream.ErrConsumerNotFound) {
				return nil
			}
			return err
		})
	}},
	{"consumers paused", false, func(ctx context.Context, run *natsRun) {
		run.changeConsumers(ctx, "pause", func(ctx context.Context, consumer string) error {
			_, err := run.js.PauseConsumer(ctx, natsSource, consumer, time.Now().Add(5*time.Second))
			return err
		})
	}},
	{"junk ids by a stranger", true, func(ctx context.Context, run *natsRun) { run.publishJunk(ctx) }},
	{"clocks of servers differ", false, func(_ context.Context, run *natsRun) {
		for i, n := range run.nodes {
			n.skew = time.Duration(i-1) * 10 * time.Minute
			run.restart(n, syscall.SIGTERM)
			time.Sleep(3 * time.Second)
		}
		run.rest(5 * time.Second)
		for _, n := range run.nodes {
			n.skew = 0
			run.restart(n, syscall.SIGTERM)
			time.Sleep(3 * time.Second)
		}
	}},
}

// changeConsumers changes the consumer of each sink, and tries again until the
// cluster has done so: an answer may be lost.
func (run *natsRun) changeConsumers(ctx context.Context, what string, change func(context.Context, string) error) {
	run.Helper()
	for _, s := range run.sinks {
		eventually(ctx, run.T, what, func() error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return change(ctx, s.consumer)
		})
	}
}

// publishJunk publishes to the sinks under ids that are stored there already,
// and under ids that people make of stream and sequence.
func (run *natsRun) publishJunk(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, s := range run.sinks {
		var ids []string
		held, err := run.js.Stream(ctx, s.stream)
		if err != nil {
			run.Log(err) // the cluster is busy with the last fault
			continue
		}
		for sequence := held.CachedInfo().State.LastSeq; sequence > 0 && len(ids) < 20; sequence-- {
			if m, err := held.GetMsg(ctx, sequence); err == nil {
				ids = append(ids, m.Header.Get(jetstream.MsgIDHeader))
			}
		}
		next, err := run.lastSequence(ctx)
		if err != nil {
			run.Log(err)
			continue
		}
		for i := range uint64(200) {
			ids = append(ids, fmt.Sprintf("%s-%d", natsSource, next+i), fmt.Sprintf("%s:%d", natsSource, next+i))
		}
		for i, id := range ids {
			m := nats.NewMsg(fmt.Sprintf("%s.%s.%d", strings.ToLower(s.stream), natsStranger, i))
			m.Data = []byte("junk")
			m.Header.Set(jetstream.MsgIDHeader, id)
			if err := run.nc.PublishMsg(m); err != nil {
				run.Log(err)
			}
		}
	}
}
