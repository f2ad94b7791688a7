// Package members reads and writes compressed files as sequences of members
// that stand alone: the members of a gzip file (RFC 1952), the frames of a zstd
// file (RFC 8878). Between two members a file can be cut, and written on, and
// every common program reads it.
//
// It must not know records: package format reads the bytes that come out. It
// opens nothing and starts no goroutine.
//
//	reader.go  Reader: from members to their content
//	frame.go   where a frame of zstd ends
//	writer.go  Writer: from content to members
package members

import (
	"path/filepath"
	"strings"
)

// Kind is how a file is compressed.
type Kind string

const (
	// None says that a file is not compressed.
	None Kind = ""
	// Gzip is a sequence of gzip members.
	Gzip Kind = "gzip"
	// Zstd is a sequence of zstd frames.
	Zstd Kind = "zstd"
)

// OfPath returns the kind that a path's last extension stands for, .gz or .zst,
// and the path without that.
func OfPath(path string) (Kind, string) {
	ext := filepath.Ext(path)
	switch strings.ToLower(ext) {
	case ".gz":
		return Gzip, strings.TrimSuffix(path, ext)
	case ".zst":
		return Zstd, strings.TrimSuffix(path, ext)
	}
	return None, path
}

const (
	// maxWindow is the largest window of a zstd frame that is read, in bytes:
	// the least that RFC 8878 (section 3.1.1.1.2) asks of every reader, and the
	// most that zstd takes up to level 19.
	maxWindow = 8 << 20
	// writeWindow is that of the frames that are written: a Write of a batch is
	// a frame of its own, of 3 MiB or so.
	writeWindow = 2 << 20
	// around is more than tables and buffers take beside a window.
	around = 6 << 20
)

// ReadMemory returns how many bytes a Reader takes at most.
func (k Kind) ReadMemory() int {
	switch k {
	case Gzip:
		return 1 << 20
	case Zstd:
		return maxWindow + around
	case None:
	}
	return 0
}

// WriteMemory returns how many bytes a Writer takes at most.
func (k Kind) WriteMemory() int {
	switch k {
	case Gzip:
		return 2 << 20
	case Zstd:
		return 2*writeWindow + around
	case None:
	}
	return 0
}
