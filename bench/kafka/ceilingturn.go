package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// Growth of a value that is sealed, in bytes, by the profile of the envelope.
var growths = map[string]int{"self": 167, "ref": 94}

// ceilingFiles are the records of a load as the ceiling's peer sends them. They
// are made when they are needed first.
type ceilingFiles struct {
	plain, sealed string
}

// runCeiling lets a composition of bare steps carry as many bytes.
func (r *runner) runCeiling(ctx context.Context, c *contender, l *load) (Turn, error) {
	j := l.newJob(r, c.does)
	j.growth = growths[r.tools.profile]
	files, err := r.prepareCeiling(ctx, l, j)
	if err != nil {
		return Turn{}, err
	}
	j.from = files.plain
	if c.does == "ceiling-open" {
		j.from = files.sealed
	}
	j.to = filepath.Join(r.memory, "out")
	t, err := r.carryOnce(ctx, j)
	if err != nil {
		return Turn{}, fmt.Errorf("%s: %w", c.name, err)
	}
	r.logTurn(c, l, &t)
	return t, nil
}

// prepareCeiling makes the files of a load.
func (r *runner) prepareCeiling(ctx context.Context, l *load, j *job) (*ceilingFiles, error) {
	if l.files != nil {
		return l.files, nil
	}
	name := func(what string) string { return filepath.Join(r.memory, fmt.Sprintf("%s-%d", what, l.size)) }
	files := &ceilingFiles{plain: name("plain"), sealed: name("sealed")}
	filling := *j
	filling.does, filling.to = "ceiling-fill", files.plain
	if _, err := system.RunCommand(filling.makeChild(ctx)); err != nil {
		return nil, err
	}
	sealing := *j
	sealing.does, sealing.from, sealing.to = "ceiling-seal", files.plain, files.sealed
	if _, err := r.carryOnce(ctx, &sealing); err != nil {
		return nil, err
	}
	l.files = files
	return files, nil
}

// carryOnce runs a carrier and its peer.
func (r *runner) carryOnce(ctx context.Context, j *job) (t Turn, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	payload := float64(j.size) * float64(j.records)
	peer := *j
	peer.does = "ceiling-peer"
	if peer.core != "" {
		peer.core = brokerCore
	}
	serving := peer.makeChild(ctx)
	var said bytes.Buffer
	serving.Stderr = &said
	out, err := serving.StdoutPipe()
	if err != nil {
		return t, err
	}
	if err := serving.Start(); err != nil {
		return t, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		carrying := *j
		carrying.broker = strings.TrimSpace(line)
		var used system.Usage
		if used, err = system.RunCommand(carrying.makeChild(ctx)); err == nil {
			t.Rate, t.RSS = float64(j.records)/used.Wall.Seconds(), used.RSS
			t.CPU = used.CPU.Seconds() / payload * 1e9
		}
	}
	if err != nil {
		cancel() // the peer waits for a carrier
	}
	if ended := serving.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("peer: %w: %s", ended, bytes.TrimSpace(said.Bytes()))
	}
	if err == nil {
		state := serving.ProcessState
		t.Broker = (state.UserTime() + state.SystemTime()).Seconds() / payload * 1e9
	}
	return t, err
}

// fillFile writes the records of a load, of random bytes.
func fillFile(j *job) (err error) {
	f, err := os.Create(j.to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	record := makeNoise(ceilingKey+j.size, "none")
	for range j.records {
		if _, err := w.Write(record); err != nil {
			return err
		}
	}
	return w.Flush()
}

// removeFiles removes the files of a load.
func (l *load) removeFiles() error {
	if l.files == nil {
		return nil
	}
	return errors.Join(os.Remove(l.files.plain), os.Remove(l.files.sealed))
}
