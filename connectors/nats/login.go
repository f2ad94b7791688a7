package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/streamcrypt/streamcrypt/internal/credfile"
)

// login gives the client library the credentials of each connection. Files, and
// the context that names them, are read again every time, so they can be
// replaced while the process runs: the next connection has the new ones. One
// that cannot be read, because somebody is replacing it right now, is named in
// the log, and the last one is used.
//
// The client library calls its methods while it holds the lock of the
// connection, one after the other.
type login struct {
	profile  profile // as it was read last
	creds    []byte  // between the JWT and the signature of one connection
	password string  // the last one
	token    string  // likewise
}

var errNoSeed = errors.New("not the seed of a user's nkey")

// addOptions appends the options by which the client proves who it is.
func (l *login) addOptions(opts []natsgo.Option) ([]natsgo.Option, error) {
	p := &l.profile
	switch {
	case p.Creds != "":
		if err := credfile.CheckSecret("nats creds", p.Creds, p.Log); err != nil {
			return nil, err
		}
		return append(opts, natsgo.UserJWT(l.readJWT, l.signWithCreds)), nil
	case p.NKey != "":
		if err := credfile.CheckSecret("nats nkey", p.NKey, p.Log); err != nil {
			return nil, err
		}
		public, err := l.readNKey()
		if err != nil {
			return nil, err
		}
		return append(opts, natsgo.Nkey(public, l.signWithNKey)), nil
	case p.User != "":
		var err error
		if l.password, err = p.readPassword(); err != nil {
			return nil, err
		}
		return append(opts, natsgo.UserInfoHandler(l.readUser)), nil
	case p.TokenFile != "" || p.token != "":
		var err error
		if l.token, err = p.readToken(); err != nil {
			return nil, err
		}
		return append(opts, natsgo.TokenHandler(l.readToken)), nil
	}
	return opts, nil
}

func (p *profile) readPassword() (string, error) {
	if p.PasswordFile == "" {
		return p.password, nil
	}
	return credfile.ReadPassword("nats password", p.PasswordFile, p.Log)
}

func (p *profile) readToken() (string, error) {
	if p.TokenFile == "" {
		return p.token, nil
	}
	return credfile.ReadPassword("nats token", p.TokenFile, p.Log)
}

// quietly is the log of files that are read again: their modes were told when
// they were read first.
var quietly = slog.New(slog.DiscardHandler)

// renew reads the context again, if there is one.
func (l *login) renew() profile {
	p := l.profile
	p.Log = quietly
	if p.Context == "" {
		return p
	}
	again, err := p.options.readProfile()
	if err != nil {
		l.profile.Log.Warn("nats context cannot be read again; the last one is used", "error", err)
		return p
	}
	again.Log = l.profile.Log
	l.profile = again
	again.Log = quietly
	return again
}

// readUser returns the user and the password of the next connection.
func (l *login) readUser() (user, password string) {
	p := l.renew()
	again, err := p.readPassword()
	if err != nil {
		l.profile.Log.Warn("nats password cannot be read again; the last one is used", "error", err)
		return p.User, l.password
	}
	l.password = again
	return p.User, again
}

// readToken returns the token of the next connection.
func (l *login) readToken() string {
	p := l.renew()
	again, err := p.readToken()
	if err != nil {
		l.profile.Log.Warn("nats token cannot be read again; the last one is used", "error", err)
		return l.token
	}
	l.token = again
	return again
}

// readJWT returns the user's JWT for the next connection, and keeps its seed
// until that is signed for: both are of one file.
func (l *login) readJWT() (string, error) {
	p := l.renew()
	clear(l.creds)
	var err error
	if l.creds, _, err = credfile.Read("nats creds", p.Creds); err != nil {
		return "", err
	}
	text, err := nkeys.ParseDecoratedJWT(l.creds)
	if err != nil {
		return "", fmt.Errorf("nats creds: %s: no user's JWT in it", p.Creds)
	}
	return text, nil
}

func (l *login) signWithCreds(nonce []byte) ([]byte, error) {
	defer func() {
		clear(l.creds)
		l.creds = nil
	}()
	pair, err := nkeys.ParseDecoratedUserNKey(l.creds)
	if err != nil {
		return nil, fmt.Errorf("nats creds: %s: %w", l.profile.Creds, errNoSeed)
	}
	defer pair.Wipe()
	return pair.Sign(nonce)
}

// openNKey reads the seed.
func (l *login) openNKey() (nkeys.KeyPair, error) {
	text, _, err := credfile.Read("nats nkey", l.profile.NKey)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return nil, fmt.Errorf("nats nkey: %s: %w", l.profile.NKey, errNoSeed)
	}
	return pair, nil
}

// readNKey returns the public half of the nkey.
func (l *login) readNKey() (string, error) {
	pair, err := l.openNKey()
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

func (l *login) signWithNKey(nonce []byte) ([]byte, error) {
	pair, err := l.openNKey()
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	return pair.Sign(nonce)
}

// renewNKey gives the client the public half of the nkey for its next
// connection: for that the library has no callback. It is called while the
// library holds the lock of the connection.
func (l *login) renewNKey(nc *natsgo.Conn) {
	if nc == nil || l.profile.NKey == "" {
		return
	}
	l.renew()
	public, err := l.readNKey()
	if err != nil {
		l.profile.Log.Warn("nats nkey cannot be read again; the last one is used", "error", err)
		return
	}
	nc.Opts.Nkey = public
}

// addTLS appends the options of encrypted connections. Certificates are read
// again for each connection, too.
func (p profile) addTLS(opts []natsgo.Option) ([]natsgo.Option, error) {
	if p.TLS || p.CA != "" || p.Cert != "" || p.tlsFirst {
		opts = append(opts, natsgo.Secure(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if p.CA != "" {
		if _, err := credfile.ReadRoots("nats ca", p.CA); err != nil {
			return nil, err
		}
		opts = append(opts, func(o *natsgo.Options) error {
			o.RootCAsCB = func() (*x509.CertPool, error) { return credfile.ReadRoots("nats ca", p.CA) }
			return nil
		})
	}
	if p.Cert != "" {
		if err := credfile.CheckSecret("nats key", p.Key, p.Log); err != nil {
			return nil, err
		}
		if _, err := credfile.ReadPair("nats cert", p.Cert, p.Key, quietly); err != nil {
			return nil, err
		}
		opts = append(opts, func(o *natsgo.Options) error {
			o.TLSCertCB = func() (tls.Certificate, error) {
				return credfile.ReadPair("nats cert", p.Cert, p.Key, quietly)
			}
			return nil
		})
	}
	if p.tlsFirst {
		opts = append(opts, natsgo.TLSHandshakeFirst())
	}
	return opts, nil
}
