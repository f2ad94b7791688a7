package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"time"
)

// shippedFile is a file of an archive.
type shippedFile struct {
	name string // in the archive
	path string
	mode int64
}

// writeArchive writes files, in this order, as root's and with one time, since
// the time of a build and its user say nothing of the source.
func writeArchive(name string, at time.Time, files []shippedFile) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // everybody may read it
	if err != nil {
		return err
	}
	defer func() {
		if closing := f.Close(); err == nil {
			err = closing
		}
	}()
	packed := gzip.NewWriter(f) // its header has no name and no time
	archive := tar.NewWriter(packed)
	for _, file := range files {
		if err := addFile(archive, at, file); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return packed.Close()
}

func addFile(archive *tar.Writer, at time.Time, file shippedFile) error {
	f, err := os.Open(file.path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: file.name, Size: info.Size(), Mode: file.mode, ModTime: at,
		Format: tar.FormatUSTAR, Uname: "root", Gname: "root",
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}
