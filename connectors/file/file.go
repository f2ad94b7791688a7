// Package file reads messages from files and writes messages to files, in the
// formats of package format.
//
// A file is one lane and one place, read to its end. Several files are as many
// lanes; each has an output of its own, or all have one that stays open. An
// output is written under no name, or a temporary one, and gets its own when it
// is complete, so a failure leaves no partial file. With a Checkpoint the
// output is written in place instead, or under a name that says that it is
// partial. The checkpoint holds the position in the source together with the
// length of the output; a resumed run cuts the output there and continues,
// which delivers exactly once on one host.
//
// A raw file is one payload and never becomes a message. Its route uses
// RawInput and Atomic.
//
// The package must not know crypto: format.Archive brings the tag of an
// envelope and the seal of an end record. It must not know a broker, and takes
// messages of any Source.
//
//	source.go, lane.go        reading: options, and one lane over the file
//	limit.go                  where reading begins and ends
//	progress.go               how far a lane has come
//	find.go, folder.go        several files as a source
//	input.go, pipe*.go        open files and pipes
//	compressed.go             a compressed file that is read
//	raw.go                    the input of a raw file
//	sink.go, open.go          writing: options, and how an output is opened
//	writer.go, output.go      writing records, and the kinds of output
//	packing.go                an output that is compressed
//	foldersink.go             an output for each of several files
//	sharing.go                archives of several files at once
//	several.go                one output for all of them
//	append.go                 an existing file, checked before it grows
//	resume.go                 an output with a checkpoint
//	atomic.go, unnamed*.go    a file that appears complete or not at all
//	writeback*.go             writing to the disk ahead
//	checkpoint.go             progress on disk; sections.go has its form
//	known.go                  the part of an input that has been read
//	disk.go, lock*.go         the file system, which tests replace
//	observer.go               SourceObserver
package file

// Stream is the path that means standard input or standard output.
const Stream = "-"
