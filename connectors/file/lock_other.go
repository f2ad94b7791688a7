//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package file

// hasLocks tells whether the system locks files. Where it does not, one that is
// open can perhaps not be replaced either.
const hasLocks = false

// lockFile implements disk: there are no such locks here.
func (osDisk) lockFile(handle) error { return nil }
