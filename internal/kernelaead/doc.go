// Package kernelaead is AES-256-GCM through the Linux kernel's AF_ALG sockets,
// for machines on which the kernel has a device for it. It is built with the
// tag afalg only. Where the processor has instructions for AES there is nothing
// to gain: each call enters the kernel twice and copies the message.
//
// Where the kernel does not take part, New returns an error, and so does
// TrySeal when the kernel fails. Nothing falls back to another engine.
// guest.sh runs the tests in a virtual machine.
//
// The package must not know any key's use, nor choose a nonce.
package kernelaead
