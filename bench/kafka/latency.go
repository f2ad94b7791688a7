package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Latency is the delay of records that one contender carries while they come at
// a steady pace: half the rate that encrypting reached in the same run, or the
// pace that was asked for.
type Latency struct {
	Contender string   `json:"contender"`
	Pace      int      `json:"pace"` // records a second
	Rounds    []Delays `json:"rounds"`
}

// direct is the way of the records without anybody between: written to a topic
// and read from it.
const direct = "written and read, no copy"

// latencySize is the payload of the records, in bytes.
const latencySize = 1 << 10

// measureLatency lets each contender carry records that come at a steady pace.
func (r *runner) measureLatency(ctx context.Context, rows []Row) ([]Latency, error) {
	pace := r.pace
	if pace == 0 {
		peak := findRow(rows, encryptOnce, latencySize, usualPartitions)
		if peak == nil {
			return nil, errors.New("-latency: encrypting was not measured, see -only")
		}
		pace = int(peak.Rate.Median / 2)
	}
	names := []string{direct, encryptOnce, franzPlain, encryptExact, franzExact}
	turns, err := contest.RunLaps(r.rounds, len(names), func(i int) (Delays, error) {
		return r.probeContender(ctx, names[i], pace)
	})
	if err != nil {
		return nil, err
	}
	all := make([]Latency, len(names))
	for i := range names {
		all[i] = Latency{Contender: names[i], Pace: pace, Rounds: turns[i]}
	}
	return all, nil
}

// probeContender measures one contender once, between two topics of its own.
func (r *runner) probeContender(ctx context.Context, name string, pace int) (d Delays, err error) {
	r.turns++
	j := &job{
		does: "probe", broker: r.contended, roots: r.roots, core: r.core(),
		partitions: usualPartitions, records: countProbes(pace), size: latencySize,
		batch: r.batch, codec: "none", pace: pace, group: fmt.Sprintf("group-%d", r.turns),
		from: fmt.Sprintf("probe-%d", r.turns), to: fmt.Sprintf("turn-%d", r.turns),
	}
	topics := []string{j.from, j.to}
	for step, topic := range topics {
		if err := r.createTopic(ctx, topic, j.partitions, step); err != nil {
			return d, err
		}
	}
	defer func() {
		err = errors.Join(err, r.deleteTopics(context.WithoutCancel(ctx), topics))
	}()
	ctx, cancel := context.WithTimeout(ctx, probeFor+2*probeEnd)
	defer cancel()
	if name == direct {
		j.to = j.from
		return j.runProbe(ctx)
	}
	c := contenderNamed(name)
	copying := *j
	copying.does = c.does
	cmd := copying.makeChild(ctx)
	if c.isOurs() {
		cmd = r.makeCommand(ctx, &c, &copying, false)
	}
	stop, err := startCarrier(cmd)
	if err != nil {
		return d, err
	}
	d, err = j.runProbe(ctx)
	if err := errors.Join(err, stop()); err != nil {
		return d, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(r.log, "%-36s %d records/s: p50 %.1f ms, p99 %.1f ms, most %.1f ms\n", name, pace, d.P50, d.P99, d.Max)
	return d, nil
}

// runProbe runs the probe as a process of its own.
func (j *job) runProbe(ctx context.Context) (d Delays, err error) {
	cmd := j.makeChild(ctx)
	var said bytes.Buffer
	cmd.Stdout = &said
	if _, err := system.RunCommand(cmd); err != nil {
		return d, err
	}
	return d, json.Unmarshal(said.Bytes(), &d)
}

// startCarrier starts a contender that has no end or ends with the probe. The
// function that it returns ends it, and tells of one that had failed before.
func startCarrier(cmd *exec.Cmd) (stop func() error, err error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = endTime
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return func() error {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("%w: %s", err, lastLines(said.Bytes()))
			}
			return nil
		default:
		}
		err := cmd.Process.Signal(syscall.SIGTERM)
		<-ended //nolint:errcheck // a program without a handler ends by the signal, which is no fault
		return err
	}, nil
}

// addedDelay is by how much the delay of a contender is above that of the way
// without one, round by round.
func addedDelay(all []Latency, name, base string, of func(Delays) float64) (m contest.Middle, ok bool) {
	a, b := findLatency(all, name), findLatency(all, base)
	if a == nil || b == nil {
		return m, false
	}
	var added []float64
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		added = append(added, of(a.Rounds[i])-of(b.Rounds[i]))
	}
	return contest.MiddleOf(added), true
}

func findLatency(all []Latency, name string) *Latency {
	for i := range all {
		if all[i].Contender == name {
			return &all[i]
		}
	}
	return nil
}

func middleDelay(d Delays) float64 { return d.P50 }
func longDelay(d Delays) float64   { return d.P99 }

// latencyFigures compares the added delays with their targets.
func (r *Report) latencyFigures() []contest.Figure {
	var all []contest.Figure
	add := func(name, contender, base string, of func(Delays) float64, limit float64) {
		if m, ok := addedDelay(r.Latency, contender, base, of); ok {
			all = append(all, contest.Figure{
				Name: name, Value: m.Median, Unit: "ms", Limit: limit, Low: m.Low, High: m.High,
			})
		}
	}
	add("added delay, at least once, p50", encryptOnce, direct, middleDelay, 3)
	add("added delay, at least once, p99", encryptOnce, direct, longDelay, 20)
	add("added delay, exactly once, p50", encryptExact, direct, middleDelay, 80)
	add("delay, exactly once, above franz-go's transactions, p99", encryptExact, franzExact, longDelay, 100)
	return all
}

// writeLatency prints the delays as a table of Markdown.
func writeLatency(w io.Writer, all []Latency) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%d records of %s a second; delays in ms\n\n"+
		"| contender | p50 | p99 | most |\n|---|---:|---:|---:|\n", all[0].Pace, contest.SizeName(latencySize))
	for i := range all {
		l := &all[i]
		p50, p99 := contest.MiddleOfTurns(l.Rounds, middleDelay), contest.MiddleOfTurns(l.Rounds, longDelay)
		most := contest.MiddleOfTurns(l.Rounds, func(d Delays) float64 { return d.Max })
		fmt.Fprintf(w, "| %s | %.1f (%.1f-%.1f) | %.1f (%.1f-%.1f) | %.1f |\n", l.Contender,
			p50.Median, p50.Low, p50.High, p99.Median, p99.Low, p99.High, most.High)
	}
}
