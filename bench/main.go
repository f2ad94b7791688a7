// Command bench prints the figures of streamcrypt beside their targets.
//
// Speed is given as a ratio to a baseline that runs in the same process or on
// the same file, in turns, because absolute times of a shared machine say
// little. README.md tells how each figure is made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

func main() {
	if err := runBench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	json  bool
	quick bool
	parts string
	size  int64 // of the file, in MiB
	dir   string
	// generated is the size of the records that are generated, in MiB.
	generated int64
	profile   string
}

func parseFlags() settings {
	var s settings
	flag.BoolVar(&s.json, "json", false, "print JSON instead of a table")
	flag.BoolVar(&s.quick, "quick", false, "less than a minute: shorter measurements and a file of 256 MiB")
	flag.StringVar(&s.parts, "parts",
		"file,generated,messages,aad,headers,signing,core,observation,gate,rewrap,convert,keys,compression,packed,"+
			"routes,reload,page,compare",
		"the `parts` to measure")
	flag.Int64Var(&s.size, "size", 4<<10, "size of the file in `MiB`")
	flag.Int64Var(&s.generated, "generated", 20<<10, "size of the records of the part generated in `MiB`")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "`folder` for the file and its copies: five times its size")
	flag.StringVar(&s.profile, "cpuprofile", "", "write a processor profile of this process to `file`")
	flag.Parse()
	if s.quick {
		s.size, s.generated = min(s.size, 256), min(s.generated, 256)
	}
	return s
}

// scaleBudget returns how long one comparison takes at most.
func (s *settings) scaleBudget(full time.Duration) time.Duration {
	if s.quick {
		return full / 10
	}
	return full
}

// scaleRecords returns how many records one comparison has.
func (s *settings) scaleRecords(full int) int {
	if s.quick {
		return full / 10
	}
	return full
}

func runBench() (err error) {
	s := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if s.profile != "" {
		f, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	report, err := measureParts(ctx, &s)
	if err != nil {
		return err
	}
	if s.json {
		return report.writeJSON(os.Stdout)
	}
	return report.writeTable(os.Stdout)
}

// part is a group of figures.
type part struct {
	name string
	run  func() ([]Figure, error)
}

// measureParts runs the parts that were asked for. Those that measure the
// memory of a child come first: see system.RunCommand.
func measureParts(ctx context.Context, s *settings) (*Report, error) {
	parts := []part{
		{"file", func() ([]Figure, error) {
			return measureFile(ctx, s.dir, s.size<<20, s.scaleBudget(40*time.Second))
		}},
		{"generated", func() ([]Figure, error) { return measureGenerated(ctx, s.dir, s.generated<<20) }},
		{"compare", func() ([]Figure, error) { return measureCompare(ctx, s.scaleRecords(1_000_000), 5) }},
		{"messages", func() ([]Figure, error) { return measureMessages(ctx, s.scaleBudget(5*time.Second)) }},
		{"aad", func() ([]Figure, error) { return measureAAD(s.scaleBudget(10 * time.Second)) }},
		{"headers", func() ([]Figure, error) { return measureHeaders(ctx, s.scaleBudget(5*time.Second)) }},
		{"signing", func() ([]Figure, error) { return measureSigning(ctx) }},
		{"core", func() ([]Figure, error) { return measureCore(ctx, s.scaleBudget(20*time.Second)) }},
		{"observation", func() ([]Figure, error) { return measureObservation(ctx, s.scaleBudget(20*time.Second)) }},
		{"gate", func() ([]Figure, error) { return measureGate(ctx, s.scaleBudget(20*time.Second)) }},
		{"convert", func() ([]Figure, error) { return measureConvert(ctx, s.scaleBudget(20*time.Second)) }},
		{"rewrap", func() ([]Figure, error) { return measureRewrap(ctx, s.scaleBudget(20*time.Second)) }},
		{"keys", func() ([]Figure, error) { return measureKeys(ctx, s.scaleBudget(10*time.Second)) }},
		{"routes", func() ([]Figure, error) { return measureRoutes(ctx, s.scaleBudget(settleTime)) }},
		{"reload", func() ([]Figure, error) { return measureReload(ctx, s.scaleBudget(time.Minute)) }},
		{"page", func() ([]Figure, error) { return measurePage(ctx, s.scaleRecords(pageAsks)) }},
		{"packed", func() ([]Figure, error) { return measurePacked(ctx, s.dir, s.scaleBudget(40*time.Second)) }},
		{"compression", func() ([]Figure, error) { return measureCompression(ctx, s.scaleBudget(10*time.Second)) }},
	}
	report := &Report{Machine: system.ThisMachine()}
	wanted := strings.Split(s.parts, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return nil, fmt.Errorf("no part %q", name)
		}
	}
	for _, part := range parts {
		if !slices.Contains(wanted, part.name) {
			continue
		}
		figures, err := part.run()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		report.Figures = append(report.Figures, figures...)
	}
	return report, nil
}
