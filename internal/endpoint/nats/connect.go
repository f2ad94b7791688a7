package nats

import (
	"context"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

func (n *stream) readConnection(p *address.Params) {
	n.conn = connector.ConnOptions{
		Name: "streamcrypt",
		Creds: p.ReadText(address.Param{
			Name: "creds", Text: "a user's credentials: JWT and seed", Values: address.File, Default: "(none)",
		}),
		NKey: p.ReadText(address.Param{
			Name: "nkey", Text: "the seed of a user's nkey", Values: address.File, Default: "(none)",
		}),
		User: p.ReadText(address.Param{
			Name:    "user",
			Text:    "the name of the user, for password-file=",
			Values:  "NAME",
			Default: "(none)",
		}),
		PasswordFile: p.ReadText(address.Param{
			Name:    "password-file",
			Text:    "the file that holds the user's password; a newline at its end is ignored",
			Values:  address.File,
			Default: "(none)",
		}),
		TLS: p.ReadBool(address.Param{Name: "tls", Text: "insist on encrypted connections; ca= and cert= imply it"}),
		CA: p.ReadText(address.Param{
			Name:    "ca",
			Text:    "the roots that the servers' certificates are checked against, in PEM",
			Values:  address.File,
			Default: "(the system's)",
		}),
		Cert: p.ReadText(address.Param{
			Name:    "cert",
			Text:    "the client's certificate, in PEM",
			Values:  address.File,
			Default: "(none)",
		}),
		Key: p.ReadText(address.Param{
			Name:    "key",
			Text:    "the private key of cert=, in PEM",
			Values:  address.File,
			Default: "(none)",
		}),
		Context: p.ReadText(address.Param{
			Name:    "context",
			Text:    "a context of the nats command, for everything that the URL does not say",
			Values:  "NAME",
			Default: "(none)",
		}),
	}
}

// files lists the files that are read to connect.
func (n *stream) files() []endpoint.NamedFile {
	var files []endpoint.NamedFile
	for _, f := range []endpoint.NamedFile{
		{Param: "creds", Path: n.conn.Creds, Secret: true}, {Param: "nkey", Path: n.conn.NKey, Secret: true},
		{Param: "password-file", Path: n.conn.PasswordFile, Secret: true}, {Param: "ca", Path: n.conn.CA},
		{Param: "cert", Path: n.conn.Cert}, {Param: "key", Path: n.conn.Key, Secret: true},
	} {
		if f.Path != "" {
			files = append(files, f)
		}
	}
	return files
}

// connKey is a connection in a session.
type connKey struct{ connector.ConnOptions }

// connect returns the connection, which ends of a session share.
func (n *stream) connect(ctx context.Context, s *endpoint.Session) (*connector.Conn, error) {
	return endpoint.Share(s, connKey{n.conn}, func() (*connector.Conn, error) {
		options := n.conn
		options.Log = s.Log
		conn, err := connector.Connect(ctx, options)
		if err != nil {
			return nil, err
		}
		s.OnClose(func() error { conn.Close(); return nil })
		return conn, nil
	})
}
