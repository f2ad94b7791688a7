package testcontainers

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fault is something that goes wrong, and is made good again before inflict
// returns.
type fault struct {
	name    string
	target  time.Duration // within which everything flows again; 0 if none is set
	mended  bool          // the target counts from when the cause is gone
	short   bool          // is part of the short form
	inflict func(*faultRun)
}

// faultRun is a run of the suite with one seed.
type faultRun struct {
	*testing.T
	*faultCluster
	members *faultMembers
	stream  *faultStream
	rnd     *rand.Rand
	long    bool
	began   time.Time // of the fault
	gone    time.Time // of its cause
	found   [3]counts // by topic, so far
}

// The environment says how long the long form takes, over how many seeds, which
// is the first one, which faults, and a folder for what members and brokers log.
// See also faultsBrokers.
const (
	faultsTime  = "FAULTS_TIME"
	faultsSeeds = "FAULTS_SEEDS"
	faultsSeed  = "FAULTS_SEED"
	faultsNames = "FAULTS_NAMES"
	faultsLogs  = "FAULTS_LOGS"
)

// TestKafkaFaults has members of groups seal and open a stream on three
// brokers, and lets go wrong all that can. However it goes, a reader of
// committed records sees each record once, and in order. Everything goes on by
// itself. Times are printed beside what they should be; counts decide.
func TestKafkaFaults(t *testing.T) {
	if os.Getenv(faultsTime) == "" {
		runFaults(t, envNumber(t, faultsSeed, 1), 0)
		return
	}
	total, err := time.ParseDuration(os.Getenv(faultsTime))
	if err != nil {
		t.Fatalf("%s: %v", faultsTime, err)
	}
	seeds := envNumber(t, faultsSeeds, 3)
	first := envNumber(t, faultsSeed, uint64(time.Now().Unix()))
	for i := range seeds {
		t.Run(fmt.Sprintf("seed %d", first+i), func(t *testing.T) { runFaults(t, first+i, total/time.Duration(seeds)) })
	}
}

func envNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		t.Fatalf("%s=%s: not a number", name, text)
	}
	return n
}

// runFaults runs with one seed. Without a time it is the short form: some
// faults, each once.
func runFaults(t *testing.T, seed uint64, length time.Duration) {
	begin := time.Now()
	r := &faultRun{T: t, rnd: rand.New(rand.NewPCG(seed, 0)), long: length > 0}
	schedule := r.schedule()
	t.Logf("seed %d (%s=%d): %s", seed, faultsSeed, seed, names(schedule))
	r.faultCluster = startFaultCluster(t)
	for _, right := range memberRights {
		r.grant(t, right)
	}
	for _, topic := range faultTopics {
		config := []string{"min.insync.replicas", "2"}
		if topic != faultTopics[0] {
			config = append(config, "max.message.bytes", "2000000")
		}
		r.topic(t, topic, faultParts, config...)
	}
	r.eventually(t, "topics on all brokers", r.knows)
	r.stream = startStream(t, r.faultCluster)
	r.members = startMembers(t, r.faultCluster)
	r.await("the start")
	for done := 0; done < len(schedule) || time.Since(begin) < length; done++ {
		if done == len(schedule) {
			more := r.schedule()
			t.Logf("and again: %s", names(more))
			schedule = append(schedule, more...)
		}
		r.suffer(schedule[done])
	}
	r.stream.end(t)
	for _, one := range r.members.running {
		r.members.end(t, one)
	}
	t.Logf("the slowest end of a member took %v (target %v)", r.members.slowest.Round(time.Millisecond), faultGrace)
	r.stream.check(t)
	t.Logf("seed %d took %v", seed, time.Since(begin).Round(time.Second))
}

// schedule returns the faults in an order of the seed.
func (r *faultRun) schedule() []fault {
	chosen := os.Getenv(faultsNames)
	some := slices.DeleteFunc(allFaults(), func(f fault) bool {
		if chosen != "" {
			return !slices.Contains(strings.Split(chosen, ","), f.name)
		}
		return !r.long && !f.short
	})
	r.rnd.Shuffle(len(some), func(i, k int) { some[i], some[k] = some[k], some[i] })
	return some
}

func names(faults []fault) string {
	all := make([]string, len(faults))
	for i, f := range faults {
		all[i] = f.name
	}
	return strings.Join(all, ", ")
}

// suffer inflicts a fault and waits until everything flows again.
func (r *faultRun) suffer(f fault) {
	r.Helper()
	r.stream.begin()
	r.began, r.gone = time.Now(), time.Time{}
	f.inflict(r)
	if r.gone.IsZero() {
		r.gone = time.Now()
	}
	r.await(f.name)
	since, target := r.began, ""
	if f.mended {
		since = r.gone
	}
	if f.target > 0 {
		target = fmt.Sprintf(" (target %v)", f.target)
	}
	report := fmt.Sprintf("%-26s cause gone after %v", f.name, r.gone.Sub(r.began).Round(100*time.Millisecond))
	for topic := 1; topic < len(faultTopics); topic++ {
		at, oldest := r.stream.lastLate(topic)
		report += fmt.Sprintf("; %s flows again after %.1fs%s, partitions were late by", faultTopics[topic], max(0, at.Sub(since).Seconds()), target)
		for _, age := range oldest {
			report += fmt.Sprintf(" %.1f", age.Seconds())
		}
	}
	r.Log(report)
}

// await waits until everything that was made up to now has come through, and
// all replicas are there. Nobody helps. Then it waits a little for calm, so
// that one fault does not count for the next; on a machine that is busy there
// may be none.
func (r *faultRun) await(after string) {
	r.Helper()
	const restless, calm = 10 * time.Second, 1500 * time.Millisecond
	since, mark := time.Now(), r.stream.mark()
	defer func() { r.judge(after, mark) }()
	for passed := (time.Time{}); ; r.waitFor(r.T, 50*time.Millisecond) {
		r.members.alive(r.T)
		flows, err := r.stream.passed(mark)
		if err != nil {
			r.Fatal(err)
		}
		switch {
		case passed.IsZero() && flows && r.whole(r.Context()):
			passed = time.Now()
		case passed.IsZero() && time.Since(since) > patience:
			r.stream.report(r.T)
			r.Fatalf("%s: it does not flow again within %v", after, patience)
		case !passed.IsZero() && (r.stream.isCalm(calm) || time.Since(passed) > restless):
			return
		}
	}
}

// judge fails the test if something has gone wrong that had not before.
func (r *faultRun) judge(after string, mark [faultParts]int) {
	r.Helper()
	for topic, now := range r.stream.checkMark(r.T, mark) {
		before := r.found[topic]
		r.found[topic] = now
		before.records = now.records
		if now != before {
			r.Errorf("%s: %s: %v; before it %v", after, faultTopics[topic], now, before)
		}
	}
}

// pause lets time pass in which a fault works: between least and most.
func (r *faultRun) pause(least, most time.Duration) {
	r.waitFor(r.T, least+time.Duration(r.rnd.Int64N(int64(most-least)+1)))
}
