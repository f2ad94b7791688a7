package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// job is the task of a contender.
type job struct {
	does            string
	broker          string
	roots           string      // file of certificates, if the broker speaks TLS
	dials           *tls.Config // made of roots in the child; nil without
	from, to, group string
	partitions      int
	records, size   int
	batch           int    // of a fill, in bytes
	codec           string // of a fill
	pace            int    // of a probe, in records a second
	core            string // processor of a contender, or empty for all; not told to the child
	growth          int    // of a value that is sealed by the ceiling, in bytes
}

// listArgs returns the job as arguments that runChild reads.
func (j *job) listArgs() []string {
	return []string{
		contest.ChildWord, "-do", j.does, "-broker", j.broker, "-roots", j.roots,
		"-from", j.from, "-to", j.to, "-group", j.group,
		"-partitions", strconv.Itoa(j.partitions), "-records", strconv.Itoa(j.records),
		"-size", strconv.Itoa(j.size), "-batch", strconv.Itoa(j.batch),
		"-codec", j.codec, "-pace", strconv.Itoa(j.pace), "-growth", strconv.Itoa(j.growth),
	}
}

func runChild(ctx context.Context, args []string) error {
	var j job
	f := flag.NewFlagSet(contest.ChildWord, flag.ContinueOnError)
	f.StringVar(&j.does, "do", "", "")
	f.StringVar(&j.broker, "broker", "", "")
	f.StringVar(&j.roots, "roots", "", "")
	f.StringVar(&j.from, "from", "", "")
	f.StringVar(&j.to, "to", "", "")
	f.StringVar(&j.group, "group", "", "")
	f.IntVar(&j.partitions, "partitions", 0, "")
	f.IntVar(&j.records, "records", 0, "")
	f.IntVar(&j.size, "size", 0, "")
	f.IntVar(&j.batch, "batch", 0, "")
	f.StringVar(&j.codec, "codec", "none", "")
	f.IntVar(&j.pace, "pace", 0, "")
	f.IntVar(&j.growth, "growth", tagSize, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if j.dials, err = j.dialConfig(); err != nil {
		return err
	}
	return j.runJob(ctx)
}

func (j *job) runJob(ctx context.Context) error {
	switch j.does {
	case "fill":
		return fillTopic(ctx, j)
	case "franz-copy":
		return franzCopy(ctx, j, nil)
	case "franz-seal":
		seal, err := sealEach()
		if err != nil {
			return err
		}
		return franzCopy(ctx, j, seal)
	case "franz-tuned":
		return franzTuned(ctx, j)
	case "franz-transactions":
		return franzTransactions(ctx, j)
	case "ceiling-fill":
		return fillFile(j)
	case "ceiling-peer":
		return servePeer(ctx, j, os.Stdout)
	case "ceiling-copy", "ceiling-seal", "ceiling-open":
		return carryBlocks(ctx, j)
	case "probe":
		delays, err := probeLatency(ctx, j)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(delays)
	case "kafka-go-copy":
		return kafkaGoCopy(ctx, j)
	}
	return fmt.Errorf("no job %q", j.does)
}

// makeChild returns the command that runs this program as a contender.
func (j *job) makeChild(ctx context.Context) *exec.Cmd {
	//nolint:gosec // this program itself
	cmd := exec.CommandContext(ctx, os.Args[0], j.listArgs()...)
	j.pinToCore(cmd)
	return cmd
}
