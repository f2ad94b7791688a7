package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
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
	franzTune    = "franz-go tuned copy"
	franzExact   = "franz-go copy in transactions"
	ceilingCopy  = "ceiling: bare steps of a copy"
	ceilingSeal  = "ceiling: bare steps of encrypting"
	ceilingOpen  = "ceiling: bare steps of decrypting"
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
	{name: franzTune, does: "franz-tuned"},
	{name: franzExact, does: "franz-transactions"},
	{name: ceilingCopy, does: "ceiling-copy"},
	{name: ceilingSeal, does: "ceiling-seal"},
	{name: ceilingOpen, does: "ceiling-open"},
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

// isCeiling tells whether it has no broker, and does the bare steps alone.
func (c *contender) isCeiling() bool { return strings.HasPrefix(c.does, "ceiling-") }

// tools are the program under measurement, and its stores.
type tools struct {
	*contest.Program
	folder   string // for checkpoints, on a disk
	keystore string
	profile  string // of the envelopes
}

// buildTools builds the program.
func buildTools(ctx context.Context, dir string, s *settings) (*tools, error) {
	root, err := contest.FindModule("kafka")
	if err != nil {
		return nil, err
	}
	program, err := contest.BuildProgram(ctx, root, dir, s.cpuprofiles, strings.Fields(s.with)...)
	if err != nil {
		return nil, err
	}
	store := filepath.Join(dir, "keys")
	if err := os.Mkdir(store, 0o700); err != nil {
		return nil, err
	}
	return &tools{Program: program, folder: dir, keystore: "file:" + store, profile: s.profile}, nil
}

// secureURL returns the URL of a topic with the parameters of TLS, if there is
// TLS.
func (j *job) secureURL(topic string) string {
	if j.roots == "" {
		return topic
	}
	return topic + "&tls=true&ca=" + url.QueryEscape(j.roots)
}

// makeCommand returns the command of streamcrypt that does a job. A run that is
// not bounded has no end.
func (t *tools) makeCommand(ctx context.Context, c *contender, j *job, bounded bool) *exec.Cmd {
	from := fmt.Sprintf("kafka://%s/%s?group=%s", j.broker, j.from, j.group)
	if bounded {
		from += "&until=latest"
	}
	to := fmt.Sprintf("kafka://%s/%s?delivery=%s", j.broker, j.to, c.delivery)
	args := []string{
		c.does, "--key", t.Key, "--context", "bench", "--from", j.secureURL(from),
		"--to", j.secureURL(to),
	}
	if t.profile == "ref" {
		args = append(args, "--keystore", t.keystore)
		if c.does == "encrypt" {
			args = append(args, "--profile", "ref")
		}
	}
	cmd := t.MakeCommand(ctx, c.name, j.size, args...)
	j.pinToCore(cmd)
	return cmd
}
