package main

import (
	"errors"
	"strconv"
	"strings"
)

// speed is a number of bytes a second as people write it: 50MB/s, 512KiB/s.
type speed int64

// speedUnits are the units of network speeds, and those of sizes.
var speedUnits = append([]unit{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}}, units...)

var errSpeed = errors.New("not a speed: write 50MB/s, with a whole number above 0 of B, kB, MB, GB, KiB, MiB or GiB")

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *speed) UnmarshalText(text []byte) error {
	size, ok := strings.CutSuffix(string(text), "/s")
	if !ok {
		return errSpeed
	}
	for _, unit := range speedUnits {
		digits, ok := strings.CutSuffix(size, unit.name)
		if !ok || unit.name == "" {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || n == 0 || n > uint64(1<<62-1)/uint64(unit.bytes) {
			return errSpeed
		}
		*s = speed(int64(n) * unit.bytes)
		return nil
	}
	return errSpeed
}
