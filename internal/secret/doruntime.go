//go:build goexperiment.runtimesecret

package secret

import "runtime/secret"

// Do calls f. Registers and stack that f used are erased before it returns,
// also by a panic; heap memory when nothing refers to it any more. Goroutines
// that f starts are not covered.
func Do(f func()) { secret.Do(f) }
