//go:build unix

package credfile

import (
	"io/fs"
	"syscall"
)

func findOwner(info fs.FileInfo) (owner int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
