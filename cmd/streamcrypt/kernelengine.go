//go:build !afalg

package main

// kernelEngine tries whether the kernel seals; nil in a build that does not ask
// it to.
var kernelEngine func() error
