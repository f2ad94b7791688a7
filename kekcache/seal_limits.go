package kekcache

import (
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// Limits end the use of a DEK for sealing: the first one reached does. Zero
// means the default.
type Limits struct {
	Age      time.Duration // from before the DEK was asked for; default 15 minutes, at least a second
	Messages uint64        // default 2^24, at most 2^32
	Bytes    uint64        // of payload; default 64 GiB, at most 2^40
}

// minAge leaves Run and a key service the time to do their part.
const minAge = time.Second

// Hard limits of a DEK (docs/envelope.md, section 11).
const (
	maxSeals       = 1 << 32
	maxSealsRandom = 1 << 31
	maxBytes       = 1 << 40
)

// Check returns an error if a limit is out of its range.
func (l Limits) Check() error {
	_, err := l.withDefaults()
	return err
}

func (l Limits) withDefaults() (Limits, error) {
	if l.Age == 0 {
		l.Age = 15 * time.Minute
	}
	if l.Messages == 0 {
		l.Messages = 1 << 24
	}
	if l.Bytes == 0 {
		l.Bytes = 64 << 30
	}
	switch {
	case l.Age < minAge:
		return l, fmt.Errorf("window: an age of %s: at least %s is needed", l.Age, minAge)
	case l.Bytes > maxBytes:
		return l, errors.New("window: more than 2^40 bytes under one key")
	case l.Messages > maxSeals:
		return l, errors.New("window: more than 2^32 messages under one key")
	}
	return l, nil
}

// tickPeriod is how often Run looks at the clock.
func (l *Limits) tickPeriod() time.Duration { return min(time.Second, l.Age/64) }

// sealsLeft is how often messages may be sealed under one DEK. One seal is kept
// for the key record.
func sealsLeft(nonces chunker.Nonces) uint64 {
	if nonces == chunker.Random {
		return maxSealsRandom - 1
	}
	return maxSeals - 1
}
