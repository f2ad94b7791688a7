package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Contenders, as reports name them.
const (
	usualCopy    = "usual copy"
	asyncCopy    = "plain copy, async"
	batchCopy    = "plain copy, batch"
	fastCopy     = "plain copy, fast"
	asyncEncrypt = "streamcrypt encrypt, async"
	batchEncrypt = "streamcrypt encrypt, batch"
	fastEncrypt  = "streamcrypt encrypt, fast"
	asyncDecrypt = "streamcrypt decrypt, async"
	fastDecrypt  = "streamcrypt decrypt, fast"
)

// Publish modes.
const (
	async = "async"
	batch = "batch"
	fast  = "fast"
)

// contender is one way to carry the messages of a stream to another.
type contender struct {
	name string
	does string // a child's job, or a command of streamcrypt
	mode string
	ours bool // it is streamcrypt
}

var contenders = []contender{
	{name: usualCopy, does: "usual-copy"},
	{name: asyncCopy, does: "copy", mode: async},
	{name: asyncEncrypt, does: "encrypt", mode: async, ours: true},
	{name: asyncDecrypt, does: "decrypt", mode: async, ours: true},
	{name: batchCopy, does: "copy", mode: batch},
	{name: batchEncrypt, does: "encrypt", mode: batch, ours: true},
	{name: fastCopy, does: "copy", mode: fast},
	{name: fastEncrypt, does: "encrypt", mode: fast, ours: true},
	{name: fastDecrypt, does: "decrypt", mode: fast, ours: true},
}

func contenderNamed(name string) contender {
	for _, c := range contenders {
		if c.name == name {
			return c
		}
	}
	return contender{name: name}
}

// readsSealed tells whether it reads the sealed stream.
func (c *contender) readsSealed() bool { return c.does == "decrypt" }

// tools are the programs under measurement.
type tools struct {
	*contest.Program
	server        string // the program
	serverVersion string
}

// buildTools builds the server and the program.
func buildTools(ctx context.Context, dir string, s *settings) (*tools, error) {
	root, err := contest.FindModule("nats")
	if err != nil {
		return nil, err
	}
	t := &tools{server: filepath.Join(dir, "nats-server")}
	flags := append([]string{"--workers", strconv.Itoa(s.workers)}, strings.Fields(s.with)...)
	if t.Program, err = contest.BuildProgram(ctx, root, dir, s.cpuprofiles, flags...); err != nil {
		return nil, err
	}
	if err := system.BuildCommand(ctx, root, t.server, "github.com/nats-io/nats-server/v2"); err != nil {
		return nil, err
	}
	//nolint:gosec // just built
	version, err := exec.CommandContext(ctx, t.server, "--version").Output()
	t.serverVersion = strings.TrimSpace(string(version))
	return t, err
}

// makeCommand returns the command of streamcrypt that does a job.
func (t *tools) makeCommand(ctx context.Context, c *contender, j *job) *exec.Cmd {
	return t.MakeCommand(ctx, c.name, j.size, c.does, "--key", t.Key, "--context", "bench",
		"--from", fmt.Sprintf("%s/%s?consumer=%s&until=latest", j.server, j.from, j.consumer),
		"--to", fmt.Sprintf("%s/%s?subject=%s.>&strip=%s&publish=%s", j.server, j.to, j.to, j.from, c.mode))
}
