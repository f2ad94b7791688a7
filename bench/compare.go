package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

const (
	// compareLimit is the most time that verify --against may take for each
	// unit of time that decrypt takes: 0.8 times its speed.
	compareLimit = 1 / 0.8
	// compareMemory is the most memory that it may take, in MiB.
	compareMemory = 96
	compareSize   = 1 << 10 // bytes of a value
)

// measureCompare measures verify --against beside decrypt, in turns, on an
// archive of so many records.
func measureCompare(ctx context.Context, records, laps int) (_ []Figure, err error) {
	dir, err := os.MkdirTemp("", "streamcrypt-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, keyURL, err := system.BuildWithKey(ctx, "..", dir)
	if err != nil {
		return nil, err
	}
	run := func(args ...string) (system.Usage, error) {
		cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // just built
		cmd.Dir = dir
		return system.RunCommand(cmd)
	}
	if err := writeCompared(filepath.Join(dir, "plain.ndjson"), records); err != nil {
		return nil, err
	}
	key := []string{"--key", keyURL, "--progress", "none"}
	encrypt := append([]string{"encrypt", "--from", "plain.ndjson", "--to", "sealed.scx"}, key...)
	if _, err := run(encrypt...); err != nil {
		return nil, err
	}
	times, processor := make(timings, 2), make(timings, 2)
	peak := 0.0
	for range laps {
		for i, args := range [][]string{
			{"decrypt", "--from", "sealed.scx", "--to", "out.ndjson", "--overwrite"},
			{"verify", "--from", "plain.ndjson", "--against", "sealed.scx"},
		} {
			used, err := run(append(args, key...)...)
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], float64(used.Wall))
			processor[i] = append(processor[i], float64(used.CPU))
			if i == 1 {
				peak = max(peak, used.RSS)
			}
		}
	}
	ratio := times.compareTimes(1, 0)
	return []Figure{
		{
			Part: "compare", Name: fmt.Sprintf("verify --against, %d records of 1 KiB, beside decrypt", records),
			Value: ratio.median, Unit: "x", Limit: newLimit(compareLimit), Spread: ratio.makeSpread(),
			Beside: map[string]float64{
				"records/s":      float64(records) / times.findBest(1) * 1e9,
				"processor time": processor.compareTimes(1, 0).median,
			},
		},
		{
			Part: "compare", Name: "peak memory of verify --against", Value: peak, Unit: "MiB",
			Limit: newLimit(compareMemory),
			Note:  fmt.Sprintf("%.1f MiB at least can be told", system.OwnPeak()),
		},
	}, nil
}

// writeCompared writes a file of records.
func writeCompared(path string, records int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	value := strings.Repeat("0123456789abcdef", compareSize/16)
	for i := range records {
		if _, err := fmt.Fprintf(w, "{\"key\":\"key-%d\",\"value\":\"%d %s\"}\n", i%1000, i, value); err != nil {
			return err
		}
	}
	return w.Flush()
}
