package ops

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Options say where the server listens and who may ask. The zero Options are no
// server.
type Options struct {
	// Address is "HOST:PORT"; with an empty host it is that of this machine
	// alone, 127.0.0.1. Port 0 is any free port.
	Address string
	// Certificate and Key are PEM files, read anew for each connection. Without
	// them the server speaks plain HTTP, and only on loopback.
	Certificate, Key string
	// TokenFile holds the token that requests must carry, read anew for each
	// request. It must not be readable by others than its owner; of a file that
	// is root's, also its group (credfile.Mode).
	TokenFile string
	// Profiles adds /debug/pprof.
	Profiles bool
}

// IsZero tells whether there is to be no server.
func (o *Options) IsZero() bool { return *o == Options{} }

var (
	errNoAddress   = errors.New("no address to listen on")
	errHalfTLS     = errors.New("a certificate and its key belong together")
	errWithoutTLS  = errors.New("it can be reached from other machines, and has no TLS")
	errWithoutName = errors.New("it can be reached from other machines, and asks for no token")
	errOpenToken   = errors.New("can be read by others than its owner")
)

// Check refuses options that contradict themselves or would show figures to
// strangers. It opens nothing but the files that are named, and warns of a key
// that others can read.
func (o *Options) Check(log *slog.Logger) error {
	switch {
	case o.Address == "":
		return hint.New(errNoAddress.Error(), "--ops=127.0.0.1:9464")
	case (o.Certificate == "") != (o.Key == ""):
		return hint.New(errHalfTLS.Error(), "give both --ops-cert and --ops-key")
	}
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return hint.New(fmt.Sprintf("%q is no address", o.Address), "HOST:PORT, such as 127.0.0.1:9464")
	}
	if !isLoopback(host) {
		switch {
		case o.Certificate == "":
			return hint.New(fmt.Sprintf("%s: %v", o.Address, errWithoutTLS),
				"listen on 127.0.0.1, or give --ops-cert, --ops-key and --ops-token-file")
		case o.TokenFile == "":
			return hint.New(fmt.Sprintf("%s: %v", o.Address, errWithoutName), "give --ops-token-file")
		}
	}
	return o.checkFiles(log)
}

func (o *Options) checkFiles(log *slog.Logger) error {
	if o.TokenFile != "" {
		if _, err := readToken(o.TokenFile); err != nil {
			return err
		}
	}
	if o.Certificate == "" {
		return nil
	}
	_, err := o.loadCertificate(log)
	return err
}

// isLoopback tells whether a host is this machine alone. A name other than
// localhost may become any address.
func isLoopback(host string) bool {
	if host == "" || host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// checkMode refuses a secret that others can read.
func checkMode(path string, mode os.FileMode) error {
	if mode.Perm()&0o077 != 0 {
		return hint.New(fmt.Sprintf("token: %s %v (mode %v)", path, errOpenToken, mode.Perm()), "chmod 600 "+path)
	}
	return nil
}
