package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// peakLimit is the most memory that streamcrypt may take for a raw file of any
// size, in MiB.
const peakLimit = 48

// Each tool does each task as often as there is time for, within these bounds.
const (
	fewestLaps = 3
	mostLaps   = 9
)

// measureFile compares the commands streamcrypt and age on one file of random
// bytes. It makes a folder of its own in dir, which must have space for five
// times the size. Each of the four tasks gets budget.
func measureFile(ctx context.Context, dir string, size int64, budget time.Duration) (figures []Figure, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if dir, err = os.MkdirTemp(dir, "streamcrypt-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &race{dir: dir, size: size, budget: budget}
	if r.tools[0], r.tools[1], err = buildTools(ctx, dir); err != nil {
		return nil, err
	}
	if err := r.fillFile(); err != nil {
		return nil, err
	}
	for _, decrypt := range []bool{false, true} {
		for _, toFile := range []bool{true, false} {
			f, err := r.runTask(ctx, decrypt, toFile)
			if err != nil {
				return nil, err
			}
			figures = append(figures, f...)
		}
	}
	return append(figures, Figure{
		Part: r.partName(), Name: "peak resident memory", Value: r.peak[0], Unit: "MiB", Limit: newLimit(peakLimit),
		Beside: map[string]float64{"age": r.peak[1]},
		Note:   fmt.Sprintf("the largest of all runs; age %.1f MiB", r.peak[1]),
	}), nil
}

// race compares two tools on one file.
type race struct {
	dir    string
	size   int64
	budget time.Duration
	tools  [2]tool
	peak   [2]float64
}

func (r *race) partName() string { return byteSize(int(r.size)) + " file" }

func (r *race) plainPath() string        { return filepath.Join(r.dir, "plain") }
func (r *race) sealedPath(i int) string  { return filepath.Join(r.dir, "sealed."+r.tools[i].name) }
func (r *race) outputPath(i int) string  { return filepath.Join(r.dir, "output."+r.tools[i].name) }
func (r *race) newRandom() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{'b', 'e', 'n', 'c', 'h'}) }

// fillFile writes the file.
func (r *race) fillFile() error {
	f, err := os.Create(r.plainPath())
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, r.newRandom(), r.size)
	return errors.Join(err, f.Sync(), f.Close())
}

// lap is one tool's work in one round.
type lap struct {
	system.Usage
	sync time.Duration // to make the output durable afterwards
}

// runTask lets each tool do one task, in turns.
func (r *race) runTask(ctx context.Context, decrypt, toFile bool) ([]Figure, error) {
	var laps [2][]lap
	end := time.Now().Add(r.budget)
	for round := 0; round < fewestLaps || round < mostLaps && time.Now().Before(end); round++ {
		for i := range r.tools {
			if round%2 == 1 {
				i = 1 - i
			}
			l, err := r.runLap(ctx, i, decrypt, toFile)
			if err != nil {
				return nil, err
			}
			laps[i] = append(laps[i], l)
			r.peak[i] = max(r.peak[i], l.RSS)
			if decrypt && toFile && round == 0 {
				if err := r.checkOutput(i); err != nil {
					return nil, err
				}
			}
		}
	}
	name := "encrypt"
	if decrypt {
		name = "decrypt"
	}
	if !toFile {
		return []Figure{r.makeFigure(name+" to /dev/null", laps, false)}, nil
	}
	synced := r.makeFigure(name+" to a file, age's synced too", laps, true)
	synced.Limit = nil
	return []Figure{r.makeFigure(name+" to a file", laps, false), synced}, nil
}

// runLap lets one tool do its task once. A tool decrypts the file that it has
// encrypted itself.
func (r *race) runLap(ctx context.Context, i int, decrypt, toFile bool) (lap, error) {
	make, in, out := r.tools[i].encrypt, r.plainPath(), r.sealedPath(i)
	if decrypt {
		make, in, out = r.tools[i].decrypt, r.sealedPath(i), r.outputPath(i)
	}
	if !toFile {
		u, err := system.RunCommand(make(ctx, in, ""))
		return lap{Usage: u}, err
	}
	if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
		return lap{}, err
	}
	u, err := system.RunCommand(make(ctx, in, out))
	if err != nil {
		return lap{}, err
	}
	took, err := syncFile(out) // also so that no tool's run pays for the one before
	return lap{Usage: u, sync: took}, err
}

// checkOutput compares the output of tool i with the file.
func (r *race) checkOutput(i int) error {
	f, err := os.Open(r.outputPath(i))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	random, n := r.newRandom(), int64(0)
	got, want := make([]byte, 1<<16), make([]byte, 1<<16)
	for n < r.size {
		part := min(r.size-n, int64(len(got)))
		if _, err := io.ReadFull(f, got[:part]); err != nil {
			return err
		}
		if _, err := random.Read(want[:part]); err != nil {
			return err
		}
		if !bytes.Equal(got[:part], want[:part]) {
			return fmt.Errorf("%s decrypted something else", r.tools[i].name)
		}
		n += part
	}
	if n, err := f.Read(got); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s decrypted more than there was", r.tools[i].name)
	}
	return nil
}

// makeFigure compares the tools by the clock, with or without the time for the
// disk afterwards.
func (r *race) makeFigure(name string, laps [2][]lap, synced bool) Figure {
	var walls [2][]float64
	ratios, cpus := make([]float64, len(laps[0])), make([]float64, len(laps[0]))
	for i := range laps {
		for _, l := range laps[i] {
			wall := l.Wall
			if synced {
				wall += l.sync
			}
			walls[i] = append(walls[i], wall.Seconds())
		}
	}
	for round := range ratios {
		ratios[round] = walls[0][round] / walls[1][round]
		cpus[round] = float64(laps[0][round].CPU) / float64(laps[1][round].CPU)
	}
	ratio, cpu := middleOf(ratios), middleOf(cpus)
	ours, theirs := middleOf(walls[0]), middleOf(walls[1])
	return Figure{
		Part: r.partName(), Name: name, Value: ratio.median, Unit: "x", Limit: newLimit(1), Spread: ratio.makeSpread(),
		Beside: map[string]float64{
			"seconds": ours.median, "age seconds": theirs.median, "processor time": cpu.median,
			"rounds": float64(len(ratios)),
		},
		Note: fmt.Sprintf("of age, %.3f-%.3f; %.2f s, age %.2f s; processor time %.3fx",
			ratio.low, ratio.high, ours.median, theirs.median, cpu.median),
	}
}

// syncFile makes a file durable and returns how long that took.
func syncFile(name string) (time.Duration, error) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	err = f.Sync()
	return time.Since(begin), errors.Join(err, f.Close())
}
