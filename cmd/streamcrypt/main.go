// Command streamcrypt encrypts message streams and files into COSE envelopes,
// and decrypts them.
//
// Flags, environment variables (STREAMCRYPT_*) and a file (--config) are one
// configuration, in this order of precedence; cli.go has it as one struct.
// There is one file per command, and:
//
//	routeflags.go, runroute.go     the part that commands with a route share
//	texts.go, help.go              help; other packages own some of its texts
//	completion.go, candidates.go   words and URLs that a shell may complete
//	exit.go, logging.go            errors, hints, exit codes and the log
//	hangup.go                      SIGHUP
//
// The program knows how to speak with people and other programs: flags,
// messages, hints, progress, exit codes. It must not know how a route works,
// nor any kind of end or key: those are in internal/. Code of one command that
// is not about the command line is in internal/ beside this file.
//
// Results go to standard output, everything else to standard error. Exit codes:
//
//	0  done: to the end of the input or, where the input has no end, until a
//	   signal
//	1  a message or an envelope was refused, a place is parked, or the run
//	   failed otherwise
//	2  not started: the command line, the configuration, a key, or an end that
//	   could not be opened
//	3  interrupted: a signal came before the end of an input that has one; the
//	   output is not complete
//	4  taken over: another process uses the same --instance, and has the work of
//	   this one now
//
// A second signal ends the process at once, and the system sets its code. It
// may leave a temporary file (.streamcrypt-….tmp) beside an output, with the
// bytes that had been written.
//
// SIGHUP has a route of records load its keys again, unless standard error is a
// terminal: there, and for everything else, it is a signal to end.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// ending is the line about a signal.
const ending = "streamcrypt: %v: ending; another one ends at once\n"

func main() { os.Exit(realMain()) }

func realMain() int {
	// A closed pipe is an error of the write. The default, to end the process,
	// would leave a temporary file behind.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	said := make(chan struct{})
	unsaid := context.AfterFunc(ctx, func() {
		defer close(said)
		stop() // a second signal has its default effect
		fmt.Fprintf(os.Stderr, ending, context.Cause(ctx))
	})
	code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	if !unsaid() {
		<-said
	}
	return code
}
