package kafka

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// These variables make a test the process that is killed.
const (
	childBrokers = "TEST_STREAMCRYPT_BROKERS" // with commas between them
	childRun     = "TEST_STREAMCRYPT_RUN"     // bounded or member
)

// TestKilledProcess kills a process, by SIGKILL, when its broker has written
// offsets into a transaction and is asked to end it. The next process of the
// same name aborts what the last one left, at once, and carries on: nothing is
// missing and nothing there twice. It kills one process after the other, each
// in a later one of its transactions.
func TestKilledProcess(t *testing.T) {
	if brokers := os.Getenv(childBrokers); brokers != "" {
		carry(t, strings.Split(brokers, ","), os.Getenv(childRun) == "bounded")
		return
	}
	t.Parallel()
	for run, kills := range map[string][]int{"bounded": {1, 2, 5, 12}, "member": {1, 3}} {
		t.Run(run, func(t *testing.T) {
			t.Parallel()
			const n = 2000
			b := startBroker(t)
			b.topic("in", 1)
			b.destination("out", 1)
			b.put("in", 1, numbered(0, n))
			for _, k := range kills {
				b.killed(run, k)
			}
			last := b.child(run)
			switch run {
			case "bounded":
				<-last.ended
			case "member":
				b.eventually("the rest", b.caughtUp)
				_ = last.cmd.Process.Signal(syscall.SIGTERM)
				<-last.ended
			}
			if last.err != nil {
				t.Errorf("the last run ended with %v: %s", last.err, last.out.String())
			}
			if err := onceInOrder(b.committed("out"), n); err != nil {
				t.Error(err)
			}
		})
	}
}

// child is a process that carries in to out.
type child struct {
	cmd   *exec.Cmd
	out   strings.Builder
	ended chan struct{}
	err   error
}

func (b *broker) child(run string) *child {
	b.t.Helper()
	c := &child{cmd: exec.Command(os.Args[0], "-test.run=^TestKilledProcess$", "-test.timeout="+patient.String()), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childBrokers+"="+strings.Join(b.ListenAddrs(), ","), childRun+"="+run)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	b.t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.ended
	})
	return c
}

// killed runs a process until its k-th transaction is about to end.
func (b *broker) killed(run string, k int) {
	b.t.Helper()
	var c *child
	started, ends := make(chan struct{}), 0
	b.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		<-started
		if ends++; ends < k {
			return nil, nil, false
		}
		_ = c.cmd.Process.Kill()
		<-c.ended // so that it cannot ask again
		return nil, errors.New("nobody is left to hear it"), true
	})
	c = b.child(run)
	close(started)
	<-c.ended
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		b.t.Fatalf("a run to be killed in transaction %d ended by itself with %v: %s", k, c.err, c.out.String())
	}
	if out := b.PartitionInfo("out", 0); out.LastStableOffset >= out.HighWatermark {
		b.t.Errorf("killed in transaction %d, and none is open", k)
	}
}

// carry is what the process does. The brokers would keep its transactions open
// for minutes.
func carry(t *testing.T, brokers []string, bounded bool) {
	c, err := cluster.Connect(t.Context(), cluster.Options{Brokers: brokers, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := &broker{t: t}
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Instance: "one", Until: Until{End: bounded}})
	src.timing.transaction, src.timing.timeout = 0, 5*time.Minute
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Delivery: ExactlyOnce})
	o := pipeline.Options{Source: src, Sink: sink, Workers: 2, ReadAhead: 8 << 10, NewTransform: pipelinetest.Identity, Log: quiet}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	if err := pipeline.Run(ctx, o); err != nil {
		t.Fatal(err)
	}
}
