// Command kafka measures the cost of carrying records from one topic of a real
// broker to another. It compares the streamcrypt command, which encrypts and
// decrypts, with copies made with the usual clients. README.md tells how.
//
// It starts the broker in a container of its own and every contender in a
// process of its own. The programs that others would write (franz.go,
// kafkago.go) are part of it: it runs itself again as one of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

func main() { contest.RunMain("kafka", runBench, runChild) }

// settings are the flags.
type settings struct {
	output      contest.Output
	sizes       []int
	rounds      int
	data        int64 // bytes of payload in a topic, at most
	batch       int   // bytes of a record batch in the source
	codec       string
	profile     string
	with        string
	partitions  int
	idle        int
	idleTopics  int
	idleFor     int // seconds
	latency     bool
	pace        int // of records a second, for latency; 0: half of the rate
	backfill    bool
	tls         bool // of contenders
	oneCore     bool // for contenders, and one for the broker
	only        string
	cpuprofiles string
}

func parseFlags(args []string) (*settings, error) {
	s := &settings{sizes: []int{100, 1 << 10, 10 << 10, 100 << 10, 1 << 20}}
	f := flag.NewFlagSet("kafka", flag.ContinueOnError)
	s.output.AddFlags(f, "kafka")
	quick := f.Bool("quick", false, "less than two minutes: 1 KiB and 1 MiB only, and less data")
	sizes := f.String("sizes", "", "payload `sizes` in bytes, with commas between them, or none")
	f.IntVar(&s.rounds, "rounds", 5, "how often each contender has its turn")
	f.Int64Var(&s.data, "data", 400, "payload in a topic in `MB`, at most 1500; small records get less")
	f.IntVar(&s.batch, "source-batch", 128<<10,
		"largest record batch of the source in `bytes`; a larger record has one of its own")
	f.StringVar(&s.codec, "source-codec", "none",
		"`codec` of the source's record batches: none, gzip, snappy, lz4 or zstd")
	f.StringVar(&s.profile, "profile", "self", "profile of the envelopes, self or ref")
	f.StringVar(&s.with, "with", "", "more `flags` for streamcrypt, such as --read-ahead=4MiB")
	f.StringVar(&s.only, "only", "", "only contenders with this `text` in their name, and franz-go's copy")
	f.IntVar(&s.partitions, "partitions", 0, "compare 4 partitions with `N` too, at 1 KiB")
	f.IntVar(&s.pace, "pace", 0,
		"`records` a second for -latency, where writing, copying and reading need more than this machine has")
	f.BoolVar(&s.backfill, "backfill", false,
		"compare a run with an end and a checkpoint with a member of a group, at 1 KiB")
	f.BoolVar(&s.tls, "tls", false, "contenders speak TLS with the broker")
	f.BoolVar(&s.oneCore, "one-core", false, "one processor for the broker, another one for each contender")
	f.IntVar(&s.idle, "idle", 0, "measure the cost of `N` partitions without traffic too")
	f.IntVar(&s.idleTopics, "idle-topics", 0, "measure the cost of `N` topics of 4 partitions without traffic too")
	f.IntVar(&s.idleFor, "idle-seconds", 60, "for how many `seconds`")
	f.BoolVar(&s.latency, "latency", false,
		"measure the delay of records of 1 KiB at half of the rate of encrypting too: half a minute a turn")
	f.StringVar(&s.cpuprofiles, "cpuprofile", "",
		"write a processor profile of each streamcrypt process into this `folder`; costs time")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if *quick {
		s.sizes, s.data, s.rounds = []int{1 << 10, 1 << 20}, min(s.data, 150), min(s.rounds, 3)
	}
	if *sizes != "" {
		var err error
		if s.sizes, err = contest.ReadSizes(*sizes, maxSize); err != nil {
			return nil, err
		}
	}
	if sourceCodecs[s.codec] == (kgo.CompressionCodec{}) && s.codec != "none" {
		return nil, fmt.Errorf("-source-codec=%s: there is no such codec", s.codec)
	}
	if s.data < 1 || s.data > 1500 || s.rounds < 1 {
		return nil, errors.New("-data is from 1 to 1500, -rounds from 1")
	}
	if s.latency && s.pace == 0 && !slices.Contains(s.sizes, latencySize) {
		return nil, errors.New("-latency needs the rate of encrypting 1 KiB: let -sizes have 1024")
	}
	if s.with != "" && s.cpuprofiles != "" {
		return nil, errors.New("-with is for the command, which -cpuprofile replaces")
	}
	s.data *= 1e6
	return s, nil
}

func runBench(ctx context.Context) error {
	s, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.output.ShowReport(&Report{}, func() (contest.Report, error) { return measureAll(ctx, s) })
}

// measureAll runs all measurements that the settings ask for, with a broker and
// programs of its own.
func measureAll(ctx context.Context, s *settings) (_ *Report, err error) {
	dir, err := os.MkdirTemp("", "streamcrypt-bench-kafka-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tools, err := buildTools(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	b, err := startBroker(ctx, s, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.removeContainer()) }()

	memory, err := os.MkdirTemp(folderInMemory(), "streamcrypt-bench-kafka-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(memory)) }()
	r := &runner{settings: s, tools: tools, broker: b, memory: memory, log: os.Stderr}
	report := &Report{
		Machine: system.ThisMachine(), Broker: brokerImage, Rounds: s.rounds, Profile: s.profile, With: s.with,
		TLS: s.tls, OneCore: s.oneCore,
	}
	// A client that only waits costs the same on a cold broker.
	if len(s.sizes) > 0 || s.partitions > 0 || s.backfill || s.latency {
		if err := r.warmUp(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.sizes) > 0 {
		if report.Rows, err = r.measureSizes(ctx); err != nil {
			return nil, err
		}
	}
	if s.partitions > 0 {
		if report.Many, err = r.measureMany(ctx); err != nil {
			return nil, err
		}
	}
	if s.backfill {
		if report.Backfill, err = r.measureBackfill(ctx); err != nil {
			return nil, err
		}
	}
	if s.latency {
		if report.Latency, err = r.measureLatency(ctx, report.Rows); err != nil {
			return nil, err
		}
	}
	if s.idle > 0 {
		if report.Idle, err = r.measureIdle(ctx); err != nil {
			return nil, err
		}
	}
	if s.idleTopics > 0 {
		if report.IdleTopics, err = r.measureIdleTopics(ctx); err != nil {
			return nil, err
		}
	}
	report.Floor = system.OwnPeak()
	return report, nil
}

// folderInMemory is a folder that keeps files in memory, as the broker does; or
// the usual one where there is none.
func folderInMemory() string {
	const shared = "/dev/shm"
	if _, err := os.Stat(shared); err != nil {
		return ""
	}
	return shared
}
