package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// job is the task of a contender.
type job struct {
	does, mode         string
	server             string // URL
	from, to, consumer string
	messages, size     int
}

// makeChild returns the command that runs this program as a contender.
func (j *job) makeChild(ctx context.Context) *exec.Cmd {
	//nolint:gosec // this program itself
	return exec.CommandContext(ctx, os.Args[0], contest.ChildWord, "-do", j.does, "-mode", j.mode, "-server", j.server,
		"-from", j.from, "-to", j.to, "-consumer", j.consumer,
		"-messages", strconv.Itoa(j.messages), "-size", strconv.Itoa(j.size))
}

func runChild(ctx context.Context, args []string) error {
	var j job
	f := flag.NewFlagSet(contest.ChildWord, flag.ContinueOnError)
	f.StringVar(&j.does, "do", "", "")
	f.StringVar(&j.mode, "mode", "", "")
	f.StringVar(&j.server, "server", "", "")
	f.StringVar(&j.from, "from", "", "")
	f.StringVar(&j.to, "to", "", "")
	f.StringVar(&j.consumer, "consumer", "", "")
	f.IntVar(&j.messages, "messages", 0, "")
	f.IntVar(&j.size, "size", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	return j.runJob(ctx)
}

func (j *job) runJob(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	nc, err := natsgo.Connect(j.server)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(j.countPending()))
	if err != nil {
		return err
	}
	switch j.does {
	case "fill":
		return fillStream(ctx, js, j)
	case "usual-copy":
		return copyAsUsual(ctx, js, j)
	case "copy":
		return copyInMode(ctx, js, j)
	}
	return fmt.Errorf("no job %q", j.does)
}

// pendingBytes is how much a copy has on its way at most, as streamcrypt does.
const pendingBytes = 16 << 20

// countPending returns how many messages a copy has on their way: 4,000 is the
// client's default.
func (j *job) countPending() int { return max(8, min(4000, pendingBytes/max(j.size, 1))) }

// renameSubject returns the subject of a message in the other stream.
func (j *job) renameSubject(subject string) string { return j.to + strings.TrimPrefix(subject, j.from) }

// subjects is how many subjects a stream has.
const subjects = 10

// fillStream writes messages of random bytes.
func fillStream(ctx context.Context, js jetstream.JetStream, j *job) error {
	noise := make([]byte, 1<<20+j.size)
	for i := 0; i+8 <= len(noise); i += 8 {
		binary.LittleEndian.PutUint64(noise[i:], rand.Uint64())
	}
	w := newWindow(j.countPending(), nil)
	for i := range j.messages {
		at := rand.IntN(1 << 20)
		future, err := js.PublishAsync(j.to+".k"+strconv.Itoa(i%subjects), noise[at:at+j.size])
		if err != nil {
			return err
		}
		if err := w.addFuture(ctx, future, nil); err != nil {
			return err
		}
	}
	return w.settleAll(ctx)
}
