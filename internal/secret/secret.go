// Package secret runs code that handles key bytes so that it leaves as little
// behind as the build allows. Built with GOEXPERIMENT=runtimesecret, registers,
// stack and heap memory that the code used are erased (linux on amd64 and
// arm64). Built without, the code just runs, and only the bytes that its
// authors clear are cleared.
//
// The package must not know what the code does. It imports the standard library
// only.
package secret
