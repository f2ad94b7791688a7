//go:build unix

package doctor

import "golang.org/x/sys/unix"

// canMakeFiles asks the system whether this user can make files in a folder:
// owners, groups, access lists and mounts that are read-only count.
func canMakeFiles(folder string) error {
	return unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
