// Command nats measures the cost of carrying messages from one JetStream stream
// to another. It compares the streamcrypt command, which encrypts and decrypts,
// with copies made with the usual client. README.md tells how.
//
// It starts nats-server and every contender in a process of its own. The
// programs that others would write (copy.go, modes.go) are part of it: it runs
// itself again as one of them.
package main

import (
	"context"
	"errors"
	"flag"
	"os"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

func main() { contest.RunMain("nats", runBench, runChild) }

// settings are the flags.
type settings struct {
	output      contest.Output
	sizes       []int
	rounds      int
	data        int64 // bytes of payload in a stream, at most
	most        int   // messages in a stream, at most
	workers     int
	sync        bool
	only        string
	with        string
	dir, disk   string
	cpuprofiles string
}

// maxSize is the largest payload, in bytes: an envelope of it, with its
// headers, is below the server's max_payload.
const maxSize = 1000 << 10

func parseFlags(args []string) (*settings, error) {
	s := &settings{sizes: []int{100, 1 << 10, 64 << 10, 900 << 10}}
	f := flag.NewFlagSet("nats", flag.ContinueOnError)
	s.output.AddFlags(f, "nats")
	quick := f.Bool("quick", false, "about two minutes: 1 KiB and 64 KiB only, less data, no sync_interval: always")
	sizes := f.String("sizes", "", "payload `sizes` in bytes, with commas between them, or none")
	f.IntVar(&s.rounds, "rounds", 5, "how often each contender has its turn")
	f.Int64Var(&s.data, "data", 400, "payload in a stream in `MB`, at most")
	f.IntVar(&s.most, "messages", 120_000, "messages in a stream, at most")
	f.IntVar(&s.workers, "workers", 2, "workers of streamcrypt")
	f.BoolVar(&s.sync, "sync", true, "measure sync_interval: always too, at 1 KiB")
	f.StringVar(&s.only, "only", "", "only contenders with this `text` in their name, and the usual copy")
	f.StringVar(&s.with, "with", "", "more `flags` for streamcrypt, such as --read-ahead=4MiB")
	f.StringVar(&s.dir, "dir", "", "`folder` of the server's files; default: in memory if /dev/shm is there")
	f.StringVar(&s.disk, "disk", os.TempDir(), "`folder` on a disk, for sync_interval: always")
	f.StringVar(&s.cpuprofiles, "cpuprofile", "",
		"write a processor profile of each streamcrypt process into this `folder`; costs time")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if *quick {
		s.sizes, s.data, s.most = []int{1 << 10, 64 << 10}, min(s.data, 150), min(s.most, 60_000)
		s.rounds, s.sync = min(s.rounds, 3), false
	}
	if *sizes != "" {
		var err error
		if s.sizes, err = contest.ReadSizes(*sizes, maxSize); err != nil {
			return nil, err
		}
	}
	if s.data < 1 || s.rounds < 1 || s.most < 100 || s.workers < 1 {
		return nil, errors.New("-data, -rounds and -workers are from 1, -messages from 100")
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

// measureAll runs all measurements that the settings ask for, with programs of
// its own.
func measureAll(ctx context.Context, s *settings) (_ *Report, err error) {
	dir, err := os.MkdirTemp("", "streamcrypt-bench-nats-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tools, err := buildTools(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	r := &runner{settings: s, tools: tools, log: os.Stderr}
	report := &Report{
		Machine: system.ThisMachine(), Server: tools.serverVersion, Rounds: s.rounds, Workers: s.workers, With: s.with,
	}
	if len(s.sizes) > 0 {
		if report.Rows, err = r.measureSizes(ctx); err != nil {
			return nil, err
		}
	}
	if s.sync {
		if report.Disk, err = measureDisk(s.disk); err != nil {
			return nil, err
		}
		if report.Synced, err = r.measureSynced(ctx); err != nil {
			return nil, err
		}
	}
	report.Floor = system.OwnPeak()
	return report, nil
}
