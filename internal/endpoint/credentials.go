package endpoint

import "github.com/streamcrypt/streamcrypt/internal/address"

// Credentials are the parameters by which clients and servers of several kinds
// prove who they are.
type Credentials struct {
	TLS          bool   // asked for, or implied by CA or Cert
	CA           string // a PEM file
	Cert, Key    string // PEM files
	User         string
	PasswordFile string
}

// ReadCredentials reads the parameters.
func ReadCredentials(p *address.Params) Credentials {
	c := Credentials{
		TLS: p.ReadBool(address.Param{Name: "tls", Text: "insist on encrypted connections; ca= and cert= imply it"}),
		CA: p.ReadText(address.Param{
			Name:    "ca",
			Text:    "the roots that the servers' certificates are checked against, in PEM",
			Values:  address.File,
			Default: "(the system's)",
		}),
		Cert: p.ReadText(address.Param{
			Name: "cert", Text: "the client's certificate, in PEM", Values: address.File, Default: "(none)",
		}),
		Key: p.ReadText(address.Param{
			Name: "key", Text: "the private key of cert=, in PEM", Values: address.File, Default: "(none)",
		}),
		User: p.ReadText(address.Param{Name: "user", Text: "the name of the user", Values: "NAME", Default: "(none)"}),
		PasswordFile: p.ReadText(address.Param{
			Name:    "password-file",
			Text:    "the file that holds the user's password; a newline at its end is ignored",
			Values:  address.File,
			Default: "(none)",
		}),
	}
	c.TLS = c.TLS || c.CA != "" || c.Cert != ""
	return c
}

// ListFiles lists the files that the parameters name.
func (c *Credentials) ListFiles() []NamedFile {
	return ListNamed([]NamedFile{
		{Param: "ca", Path: c.CA}, {Param: "cert", Path: c.Cert},
		{Param: "key", Path: c.Key, Secret: true}, {Param: "password-file", Path: c.PasswordFile, Secret: true},
	})
}

// ListNamed returns those of files that have a path.
func ListNamed(files []NamedFile) []NamedFile {
	var named []NamedFile
	for _, f := range files {
		if f.Path != "" {
			named = append(named, f)
		}
	}
	return named
}
