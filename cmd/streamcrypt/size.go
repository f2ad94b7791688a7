package main

import (
	"errors"
	"strconv"
	"strings"
)

// size is a number of bytes as people write it: 65536, 64KiB, 8MiB.
type size int64

type unit struct {
	name  string
	bytes int64
}

var units = []unit{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1},
}

var errSize = errors.New("not a size: write bytes, or a whole number of KiB, MiB, GiB or TiB")

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *size) UnmarshalText(text []byte) error {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(digits, " "), 10, 63)
		if err != nil || n > uint64(1<<63-1)/uint64(unit.bytes) {
			return errSize
		}
		*s = size(int64(n) * unit.bytes)
		return nil
	}
	return errSize
}
