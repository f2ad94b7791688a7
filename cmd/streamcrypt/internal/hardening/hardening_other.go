//go:build !linux

package hardening

// ForbidDumps does nothing on this system.
func ForbidDumps() error { return nil }

// LockMemory does nothing on this system.
func LockMemory(uint64) error { return nil }
