// Package training makes dictionaries of samples: text that payloads of a kind
// have in common (docs/envelope.md, section 16). It is apart from package
// coding, since programs that only read need none of it.
//
// The package must not know where samples come from, and starts no goroutine.
package training

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"

	"github.com/streamcrypt/streamcrypt/codec/coding"
)

const (
	// DefaultSize is the size of a dictionary unless configured, in bytes.
	DefaultSize = 32 << 10
	// MinSize is the smallest that is worth making.
	MinSize = 2 << 10

	// MaxSamples is how many Samples there are, at most.
	MaxSamples = 4096
	// MaxSample is how much of each is kept, in bytes.
	MaxSample = 16 << 10

	minSamples = 8
	// tables is about what a dictionary needs beside its text.
	tables = 1 << 10
)

// CheckSize returns an error for a size that a dictionary cannot have.
func CheckSize(size int64) error {
	if size < MinSize || size > coding.MaxDictionary {
		return fmt.Errorf("a dictionary of %d bytes: %d to %d are possible", size, MinSize, coding.MaxDictionary)
	}
	return nil
}

// Samples is a fair choice of the payloads that were shown to it, whatever
// their number. The zero Samples is ready.
type Samples struct {
	seen   int64
	chosen [][]byte
}

// Add shows a payload, of which a copy may be kept. Each that was shown is kept
// with the same chance.
func (s *Samples) Add(payload []byte) {
	if len(payload) == 0 {
		return
	}
	s.seen++
	at := len(s.chosen)
	if at == MaxSamples {
		if at = int(rand.Int64N(s.seen)); at >= MaxSamples {
			return
		}
	} else {
		s.chosen = append(s.chosen, nil)
	}
	s.chosen[at] = append(s.chosen[at][:0], payload[:min(len(payload), MaxSample)]...)
}

// Count returns how many payloads were shown that are not empty, and how many
// of them were chosen.
func (s *Samples) Count() (seen int64, chosen int) { return s.seen, len(s.chosen) }

var errFew = errors.New("too few samples: a dictionary needs hundreds, and at least 8")

// Train makes a dictionary of at most size bytes.
func (s *Samples) Train(size int) (*coding.Dictionary, error) {
	if err := CheckSize(int64(size)); err != nil {
		return nil, err
	}
	if len(s.chosen) < minSamples {
		return nil, errFew
	}
	for text := size - tables; text >= MinSize/8; text -= text / 8 {
		b, err := build(s.chosen, text)
		if err != nil {
			return nil, err
		}
		if len(b) > size {
			continue
		}
		d, err := coding.ParseDictionary(b)
		if err != nil {
			return nil, err
		}
		if d.CheckSealing() == nil {
			return d, nil
		}
	}
	return nil, errors.New("the samples have nothing in common")
}

// build calls the library, which panics for some samples. Its errors may show
// bytes of them.
func build(samples [][]byte, size int) (b []byte, err error) {
	defer func() {
		if recover() != nil {
			b, err = nil, errors.New("no dictionary can be made of these samples")
		}
	}()
	b, err = dict.BuildZstdDict(samples, dict.Options{
		MaxDictSize: size, HashBytes: 6, ZstdLevel: zstd.SpeedDefault, ZstdDictID: 1 << 16,
	})
	if err != nil {
		return nil, errors.New("no dictionary can be made of these samples: too few, or all alike")
	}
	return b, nil
}
