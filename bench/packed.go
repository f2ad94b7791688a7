package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

const (
	// packedLimit is the most time that decrypting into a compressed file may
	// take, as a ratio to the encoder alone: 0.85 times the speed.
	packedLimit    = 1 / 0.85
	packedMessages = 100_000
	packedBatch    = 5_000 // messages of one write of the archive
)

// measurePacked decrypts an archive into a compressed file. The baseline is the
// same encoder, which writes the same content to a file.
func measurePacked(ctx context.Context, dir string, budget time.Duration) (figures []Figure, err error) {
	if dir, err = os.MkdirTemp(dir, "streamcrypt-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := newRoute(ctx, "self")
	if err != nil {
		return nil, err
	}
	defer r.stopRenewal()
	sealed := filepath.Join(dir, "orders.scx")
	if err := writeSealed(ctx, r, sealed); err != nil {
		return nil, err
	}
	for _, kind := range []members.Kind{members.Zstd, members.Gzip} {
		p := &packedRace{
			opener: r.opener, kind: kind, sealed: sealed, output: filepath.Join(dir, "orders."+string(kind)),
		}
		f, err := p.compareTimes(ctx, budget/2)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// writeSealed writes an archive of sealed orders.
func writeSealed(ctx context.Context, r *route, path string) error {
	to, err := file.NewSink(file.SinkOptions{Path: path, Format: format.Seq, Archive: seqFunctions})
	if err != nil {
		return err
	}
	w, err := to.Open(ctx, nil)
	if err != nil {
		return err
	}
	sealer, rnd, at := r.sealer.NewWorker(), rand.New(rand.NewPCG(7, 11)), position
	for n := 0; n < packedMessages; n += packedBatch {
		msgs := make([]pipeline.Message, packedBatch)
		for i := range msgs {
			at.Offset = uint64(n + i)
			msgs[i].Key = []byte(recordKey)
			binding := envelope.Binding{Key: msgs[i].Key}
			if msgs[i].Value, err = sealer.Seal(ctx, nil, makeOrder(rnd, n+i), &binding, &at); err != nil {
				return err
			}
		}
		if err := w.Write(ctx, msgs, &pipeline.Progress{Messages: len(msgs)}); err != nil {
			return err
		}
	}
	return w.Close(ctx)
}

// packedRace compares a route into a compressed file with its encoder.
type packedRace struct {
	opener         *envelope.Opener
	kind           members.Kind
	sealed, output string
	content        []byte
}

func (p *packedRace) compareTimes(ctx context.Context, budget time.Duration) (Figure, error) {
	if err := p.decryptArchive(ctx); err != nil {
		return Figure{}, err
	}
	if err := p.readContent(); err != nil {
		return Figure{}, err
	}
	packed, err := os.Stat(p.output)
	if err != nil {
		return Figure{}, err
	}
	took, used := make(timings, 2), make(timings, 2)
	end := time.Now().Add(budget)
	for round := 0; round < minRounds || time.Now().Before(end); round++ {
		for turn := range took {
			i := (turn + round) % 2
			begin, before := time.Now(), processorTime()
			if i == 0 {
				err = p.decryptArchive(ctx)
			} else {
				err = p.packContent()
			}
			if err != nil {
				return Figure{}, err
			}
			took[i] = append(took[i], float64(time.Since(begin)))
			used[i] = append(used[i], float64(processorTime()-before))
		}
	}
	rounds := float64(len(took[0]))
	ratio, work := took.compareTimes(0, 1), used.compareTimes(0, 1)
	least := used.findBest(0) / used.findBest(1)
	size := float64(len(p.content)) / 1e6
	speed := size / time.Duration(middleOf(took[0]).median).Seconds()
	return Figure{
		Part: "packed", Name: "decrypt " + p.kindName(), Value: ratio.median, Unit: "x", Limit: newLimit(packedLimit),
		Spread: ratio.makeSpread(),
		Beside: map[string]float64{
			"MB/s": speed, "processor ratio": work.median, "least processor ratio": least, "MB": size,
			"packed MB": float64(packed.Size()) / 1e6, "rounds": rounds,
		},
		Note: fmt.Sprintf("of the time of the encoder alone, %.3f to %.3f: %.2fx its speed, %.0f MB/s of ndjson; "+
			"%.2fx its processor time, %.2fx where each was least disturbed",
			ratio.low, ratio.high, 1/ratio.median, speed, work.median, least),
	}, nil
}

func (p *packedRace) kindName() string { return "an archive into ndjson with " + string(p.kind) }

// decryptArchive is the route.
func (p *packedRace) decryptArchive(ctx context.Context) error {
	from, err := file.NewSource(file.SourceOptions{Path: p.sealed, Format: format.Seq, Archive: seqFunctions})
	if err != nil {
		return err
	}
	to, err := file.NewSink(file.SinkOptions{
		Path: p.output, Format: format.NDJSON, Compression: p.kind, Overwrite: true,
	})
	if err != nil {
		return err
	}
	return pipeline.Run(ctx, pipeline.Options{Source: from, Sink: to, NewTransform: func() pipeline.Transform {
		t, err := transform.NewDecrypt(transform.DecryptOptions{Opener: p.opener})
		if err != nil {
			panic(err) // its options are constant
		}
		return t
	}})
}

// readContent unpacks the output of the route.
func (p *packedRace) readContent() error {
	f, err := os.Open(p.output)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	in := members.NewReader(p.kind, f)
	defer in.Close()
	p.content, err = io.ReadAll(in)
	return err
}

// packContent is the baseline: one member, from memory.
func (p *packedRace) packContent() error {
	f, err := os.Create(p.output + ".alone")
	if err != nil {
		return err
	}
	w := members.NewWriter(p.kind, f)
	for rest := p.content; len(rest) > 0 && err == nil; {
		n := min(len(rest), 256<<10)
		_, err = w.Write(rest[:n])
		rest = rest[n:]
	}
	if err == nil {
		err = w.EndMember()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
