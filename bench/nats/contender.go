package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

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

// tools are the programs under measurement, and their key.
type tools struct {
	program       string
	key           string // URL
	server        string // the program
	serverVersion string
	with          []string // more flags
	profiles      string   // folder of processor profiles; empty for none
	written       int
}

// buildTools builds the server, and the command as it is shipped or, for a
// profile, around the same route.
func buildTools(ctx context.Context, dir string, s *settings) (*tools, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	t := &tools{
		program: filepath.Join(dir, "streamcrypt"), key: "local:" + filepath.Join(dir, "key.jwk"),
		server: filepath.Join(dir, "nats-server"), with: strings.Fields(s.with), profiles: s.cpuprofiles,
	}
	if err := system.BuildCommand(ctx, filepath.Join(root, ".."), t.program, "./cmd/streamcrypt"); err != nil {
		return nil, err
	}
	if err := system.BuildCommand(ctx, root, t.server, "github.com/nats-io/nats-server/v2"); err != nil {
		return nil, err
	}
	//nolint:gosec // just built
	version, err := exec.CommandContext(ctx, t.server, "--version").Output()
	if err != nil {
		return nil, err
	}
	t.serverVersion = strings.TrimSpace(string(version))
	//nolint:gosec // just built
	keygen := exec.CommandContext(ctx, t.program, "keygen", "local", "--out", filepath.Join(dir, "key.jwk"))
	if _, err := system.RunCommand(keygen); err != nil {
		return nil, err
	}
	if t.profiles != "" {
		if t.profiles, err = filepath.Abs(t.profiles); err != nil {
			return nil, err
		}
		t.program = filepath.Join(dir, "profiled")
		err = system.BuildCommand(ctx, root, t.program, "./internal/profiled")
	}
	return t, err
}

// makeCommand returns the command of streamcrypt that does a job.
func (t *tools) makeCommand(ctx context.Context, c *contender, j *job, workers int) *exec.Cmd {
	args := []string{
		c.does, "--key", t.key, "--context", "bench",
		"--from", fmt.Sprintf("%s/%s?consumer=%s&until=latest", j.server, j.from, j.consumer),
		"--to", fmt.Sprintf("%s/%s?subject=%s.>&strip=%s&publish=%s", j.server, j.to, j.to, j.from, c.mode),
	}
	if t.profiles != "" {
		t.written++
		name := strings.NewReplacer(" ", "-", ",", "").Replace(c.name)
		name = fmt.Sprintf("%s-%d-%d.pprof", name, j.size, t.written)
		args = append([]string{filepath.Join(t.profiles, name)}, args...)
	} else {
		args = append(args, "--workers", strconv.Itoa(workers))
		args = append(args, t.with...)
	}
	return exec.CommandContext(ctx, t.program, args...) //nolint:gosec // just built
}
