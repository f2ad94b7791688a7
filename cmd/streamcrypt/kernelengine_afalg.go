//go:build afalg

package main

import "github.com/streamcrypt/streamcrypt/internal/kernelaead"

// kernelEngine tries whether the kernel seals.
var kernelEngine = kernelaead.TrySealing
