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
//	program.go, patience.go        one call of the program, and how it ends
//	voice.go, exit.go              everything that is said on standard error
//	variables.go, config.go        environment variables and the file
//	hangup.go                      SIGHUP
//
// The program knows how to speak with people and other programs: flags,
// messages, hints, progress, exit codes. It must not know how a route works,
// nor any kind of end or key: those are in internal/. Code of one command that
// is not about the command line is in internal/ beside this file.
//
// Results go to standard output, everything else to standard error. Exit codes
// are those of internal/outcome; docs/errors.md explains them.
//
// A second signal, later than a second behind the first, ends the process at
// once, and the system sets its code. It may leave a temporary file
// (.streamcrypt-….tmp) beside an output, with the bytes that had been written.
//
// SIGHUP has a route of records load its keys again, unless standard error is a
// terminal: there, and for everything else, it is a signal to end.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

func main() { os.Exit(realMain()) }

func realMain() int {
	// A closed pipe is an error of the write. The default, to end the process,
	// would leave a temporary file behind.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	return startProgram(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}, all.Table(), signals)
}

// endProcess ends the process by the signal, so that its parent sees which one
// it was.
func endProcess(sig os.Signal) {
	signal.Reset(sig)
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Signal(sig)
	}
	time.Sleep(time.Second) // the signal is on its way, unless the process was started to ignore it
	number, _ := sig.(syscall.Signal)
	os.Exit(128 + int(number))
}
