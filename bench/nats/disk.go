package main

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// measureDisk returns how long the disk under a folder takes to make 4 KiB
// durable, in milliseconds: median, and the 5th and the 95th percentile.
func measureDisk(dir string) (_ *contest.Middle, err error) {
	f, err := os.CreateTemp(dir, "streamcrypt-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	const writes = 200
	block := make([]byte, 4<<10)
	took := make([]float64, writes)
	for i := range took {
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		begin := time.Now()
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		took[i] = float64(time.Since(begin)) / float64(time.Millisecond)
	}
	m := contest.TrimmedMiddle(took, writes/20)
	return &m, nil
}
