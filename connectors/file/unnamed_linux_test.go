package file

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// hasUnnamed tells whether the file system of a folder has files without a
// name.
func hasUnnamed(t *testing.T, dir string) bool {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return false
	}
	if err == nil {
		err = unix.Close(fd)
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}
