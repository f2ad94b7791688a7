//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// isStandIn tells whether f is the null device, opened for reading and writing.
func isStandIn(f *os.File) bool {
	var null, is unix.Stat_t
	if unix.Stat(os.DevNull, &null) != nil || unix.Fstat(int(f.Fd()), &is) != nil || null.Rdev != is.Rdev ||
		is.Mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}
