package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Contenders, as reports name them.
const (
	encryptOnce  = "streamcrypt encrypt, at least once"
	encryptExact = "streamcrypt encrypt, exactly once"
	decryptOnce  = "streamcrypt decrypt, at least once"
	decryptExact = "streamcrypt decrypt, exactly once"
	franzPlain   = "franz-go plain copy"
	franzSeal    = "franz-go with AES-GCM"
	kafkaGoPlain = "kafka-go Reader/Writer copy"
)

// contender is one way to carry the records of a topic to another.
type contender struct {
	name string
	does string // a child's job, or a command of streamcrypt
	// delivery is set for streamcrypt.
	delivery string
}

var contenders = []contender{
	{name: encryptOnce, does: "encrypt", delivery: "at-least-once"},
	{name: encryptExact, does: "encrypt", delivery: "exactly-once"},
	{name: franzPlain, does: "franz-copy"},
	{name: decryptOnce, does: "decrypt", delivery: "at-least-once"},
	{name: decryptExact, does: "decrypt", delivery: "exactly-once"},
	{name: franzSeal, does: "franz-seal"},
	{name: kafkaGoPlain, does: "kafka-go-copy"},
}

func contenderNamed(name string) contender {
	for _, c := range contenders {
		if c.name == name {
			return c
		}
	}
	return contender{name: name}
}

// readsSealed tells whether it reads the sealed topic.
func (c *contender) readsSealed() bool { return c.does == "decrypt" }

// isOurs tells whether it is streamcrypt.
func (c *contender) isOurs() bool { return c.delivery != "" }

// tools are the programs under measurement, and their key.
type tools struct {
	program  string
	key      string // URL
	keystore string
	profile  string
	with     []string // more flags
	profiles string   // folder of processor profiles; empty for none
	written  int
}

// buildTools builds the command as it is shipped or, for a profile, around the
// same route.
func buildTools(ctx context.Context, dir string, s *settings) (*tools, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	t := &tools{
		program: filepath.Join(dir, "streamcrypt"), key: "local:" + filepath.Join(dir, "key.jwk"),
		keystore: "file:" + filepath.Join(dir, "keys"), profile: s.profile,
		with: strings.Fields(s.with), profiles: s.cpuprofiles,
	}
	if err := system.BuildCommand(ctx, filepath.Join(root, ".."), t.program, "./cmd/streamcrypt"); err != nil {
		return nil, err
	}
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

// makeCommand returns the command of streamcrypt that does a job. A run that is
// not bounded has no end.
func (t *tools) makeCommand(ctx context.Context, c *contender, j *job, bounded bool) *exec.Cmd {
	from := fmt.Sprintf("kafka://%s/%s?group=%s", j.broker, j.from, j.group)
	if bounded {
		from += "&until=latest"
	}
	args := []string{
		c.does, "--key", t.key, "--context", "bench", "--from", from,
		"--to", fmt.Sprintf("kafka://%s/%s?delivery=%s", j.broker, j.to, c.delivery),
	}
	if t.profile == "ref" {
		args = append(args, "--keystore", t.keystore)
		if c.does == "encrypt" {
			args = append(args, "--profile", "ref")
		}
	}
	args = append(args, t.with...)
	if t.profiles != "" {
		t.written++
		name := strings.NewReplacer(" ", "-", ",", "").Replace(c.name)
		name = fmt.Sprintf("%s-%d-%d.pprof", name, j.size, t.written)
		args = append([]string{filepath.Join(t.profiles, name)}, args...)
	}
	return exec.CommandContext(ctx, t.program, args...) //nolint:gosec // just built
}
