// Package file reads messages from files and writes messages to files.
//
// Two formats pass through here. ndjson holds one message a line, for people and for other programs.
// seq holds envelopes: an appendable archive whose sealed end record tells whether anything is
// missing. (A raw file is one payload and never becomes a message; of this package it uses Atomic.)
//
// A file is one lane and one place, read to its end. An output is written under a temporary name and
// renamed when it is complete, so a failure leaves no partial file. With a Checkpoint it is written
// in place instead: the checkpoint holds what has been read and how long the output was then, and a
// resumed run cuts the output there and goes on, which delivers exactly once on one host.
//
// The package must not know crypto: what an envelope's tag is and how an end record is sealed come
// in through Archive. It knows no broker either, and takes messages of any Source.
package file

// Stream is the path that means standard input or standard output.
const Stream = "-"
