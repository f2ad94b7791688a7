package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// generatedLimit is the most memory that streamcrypt may take for records of
// any number, in MiB.
const generatedLimit = 96

// measureGenerated has streamcrypt seal records that are made while it reads
// them, and tells how much memory that took at its peak. Nothing of them is on
// a disk.
func measureGenerated(ctx context.Context, dir string, size int64) (figures []Figure, err error) {
	if dir, err = os.MkdirTemp(dir, "streamcrypt-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if _, err := buildStreamcrypt(ctx, dir); err != nil {
		return nil, err
	}
	//nolint:gosec // just built; files of this run
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "streamcrypt"), "encrypt",
		"--key", "x25519:"+filepath.Join(dir, "key.pem"), "--from", "file:-?format=ndjson",
		"--to", "file:"+os.DevNull+"?format=ndjson")
	records := newGenerator(size)
	cmd.Stdin = records
	usage, err := system.RunCommand(cmd)
	if err != nil {
		return nil, err
	}
	if records.left > 0 {
		return nil, fmt.Errorf("%d bytes of the records were not read", records.left)
	}
	return []Figure{{
		Part: byteSize(int(size)) + " generated", Name: "peak resident memory", Value: usage.RSS, Unit: "MiB",
		Limit: newLimit(generatedLimit),
		Note: fmt.Sprintf("records of 1 KiB, %.0f MiB/s, %.1f MiB at least can be told",
			float64(size)/(1<<20)/usage.Wall.Seconds(), system.OwnPeak()),
	}}, nil
}

// generator is a Reader of records as lines of JSON.
type generator struct {
	left  int64
	lines []byte // a whole number of lines
	at    int
}

func newGenerator(size int64) *generator {
	g := &generator{left: size}
	for i := range 64 {
		g.lines = fmt.Appendf(g.lines, "{\"key\":\"customer-%02d\",\"value\":\"%0*d\"}\n", i, 1<<10, i)
	}
	return g
}

// Read implements io.Reader. It ends with a whole line.
func (g *generator) Read(p []byte) (int, error) {
	if g.left <= 0 && g.at == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.lines[g.at:])
	g.at = (g.at + n) % len(g.lines)
	g.left -= int64(n)
	return n, nil
}
