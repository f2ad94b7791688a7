package main

import "testing"

// shortStep is the number of commands of a kind of which a short test runs one.
const shortStep = 8

// isSampled tells whether a test runs the nth command, the first is 0, of many
// that differ in words alone. A short test takes a sample: it is run under the
// race detector, where each start of the program takes most of a second, and
// where words make no difference.
func isSampled(n int) bool { return !testing.Short() || *update || n%shortStep == 0 }

// countRepeats returns how often a test repeats a step which it repeats so
// often in full.
func countRepeats(full int) int {
	if testing.Short() {
		return (full + shortStep - 1) / shortStep
	}
	return full
}
