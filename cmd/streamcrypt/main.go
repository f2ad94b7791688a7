// Command streamcrypt encrypts message streams and files into COSE envelopes, and decrypts them.
//
// Flags, environment variables (STREAMCRYPT_*) and a file (--config) are one configuration, in this order of
// precedence; cli.go has it as one struct. There is one file per command. The program knows how to speak with people and
// other programs: flags, messages, hints, progress, exit codes. It must not know how a route works; that is
// internal/route's business. What a command needs that is not about the command line is in internal/ beside it.
//
// Results go to standard output, everything else to standard error. Exit codes:
//
//	0  done: to the end of the input or, where the input has no end, until a signal
//	1  a message or an envelope was refused, a place is parked, or the run failed otherwise
//	2  not started: the command line, the configuration, a key, or an end that could not be opened
//	3  interrupted: a signal came before the end of an input that has one; the output is not complete
//
// A second signal ends the process at once, and its code is then what the system makes of that. It may leave a temporary
// file (.streamcrypt-….tmp) beside an output, with what had been written.
//
// SIGHUP has a route of records load its keys anew, unless standard error is a terminal: there, and for everything else, it
// is a signal to end.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// ending is what is said of a signal.
const ending = "streamcrypt: %v: ending; another one ends at once\n"

func main() { os.Exit(realMain()) }

func realMain() int {
	// A closed pipe is an error of whoever writes to it. The default, to die of it, would leave a temporary file behind.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	said := make(chan struct{})
	unsaid := context.AfterFunc(ctx, func() {
		defer close(said)
		stop() // a second signal does what it would without us
		fmt.Fprintf(os.Stderr, ending, context.Cause(ctx))
	})
	code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	if !unsaid() {
		<-said
	}
	return code
}
