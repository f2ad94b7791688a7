// Package system describes the machine for all benches, and runs processes on
// it.
//
//	machine.go  the description of the machine
//	process.go  runs a child or the compiler; the use of processor and memory
//
// It must not know the work of the processes.
package system
