package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// childWord is the first argument of this program when it runs as one of the
// contenders.
const childWord = "child"

// job is the task of a contender.
type job struct {
	does            string
	broker          string
	from, to, group string
	partitions      int
	records, size   int
	batch           int    // of a fill, in bytes
	codec           string // of a fill
}

// listArgs returns the job as arguments that runChild reads.
func (j *job) listArgs() []string {
	return []string{
		childWord, "-do", j.does, "-broker", j.broker, "-from", j.from, "-to", j.to, "-group", j.group,
		"-partitions", strconv.Itoa(j.partitions), "-records", strconv.Itoa(j.records),
		"-size", strconv.Itoa(j.size), "-batch", strconv.Itoa(j.batch),
		"-codec", j.codec,
	}
}

func runChild(ctx context.Context, args []string) error {
	var j job
	f := flag.NewFlagSet(childWord, flag.ContinueOnError)
	f.StringVar(&j.does, "do", "", "")
	f.StringVar(&j.broker, "broker", "", "")
	f.StringVar(&j.from, "from", "", "")
	f.StringVar(&j.to, "to", "", "")
	f.StringVar(&j.group, "group", "", "")
	f.IntVar(&j.partitions, "partitions", 0, "")
	f.IntVar(&j.records, "records", 0, "")
	f.IntVar(&j.size, "size", 0, "")
	f.IntVar(&j.batch, "batch", 0, "")
	f.StringVar(&j.codec, "codec", "none", "")
	if err := f.Parse(args); err != nil {
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
	case "kafka-go-copy":
		return kafkaGoCopy(ctx, j)
	}
	return fmt.Errorf("no job %q", j.does)
}

// usage is the processor time and the memory that a child process took from
// start to end.
type usage struct {
	cpu time.Duration
	rss float64 // at its peak, in MiB
}

// runCommand runs a command to its end.
//
// The peak that Linux reports of a child is at least the memory of this process
// when it started the child. So this process keeps small: a child fills the
// topics too.
func runCommand(cmd *exec.Cmd) (usage, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // a Go program then prints its stacks
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%v: %w: %s", cmd.Args, err, bytes.TrimSpace(said.Bytes()))
	}
	return usageOf(cmd)
}

func usageOf(cmd *exec.Cmd) (usage, error) {
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return usage{}, errors.New("no resource usage on this system")
	}
	return usage{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rss: float64(u.Maxrss) / 1024}, nil
}

// ownPeak returns the peak of this process, in MiB: no child can show less.
func ownPeak() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024
}

// makeChild returns the command that runs this program as a contender.
func (j *job) makeChild(ctx context.Context) *exec.Cmd {
	//nolint:gosec // this program itself
	return exec.CommandContext(ctx, os.Args[0], j.listArgs()...)
}
