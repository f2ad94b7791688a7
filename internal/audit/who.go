package audit

import (
	"os"
	"os/user"
	"runtime/debug"
	"strconv"
)

// A Who names the process that does the operations of a Log. Every line has it:
// a line alone must answer which process did it, where, and for which data (PCI
// DSS 10.2.2). Empty fields are left out.
type Who struct {
	Route   string // the name of the route
	Context string // the name that its envelopes are bound to
	Store   string // the URL of the key store that it uses
	Host    string
	User    string // of the operating system
	PID     int
	Version string // of the program
}

// DescribeProcess returns the part of a Who that is the same for all of this
// process.
func DescribeProcess() Who {
	w := Who{User: nameUser(), PID: os.Getpid(), Version: findVersion()}
	w.Host, _ = os.Hostname() // a line without it is better than none
	return w
}

// nameUser returns the name of the user, or in a container that has none, the
// number.
func nameUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid:" + strconv.Itoa(os.Getuid())
}

func findVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}
