package keyring

import (
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

const sha512 = "sha-512"

// readRSA reads a URL of the form rsa:FILE.
func readRSA(at *address.Address, p *address.Params) (loader, error) {
	hash := p.ReadWord(address.Param{
		Name: "oaep", Words: []string{"sha-256", sha512}, Default: "sha-256",
		Text: "the hash of RSA-OAEP when wrapping; both are unwrapped",
	})
	parsePublic := parseRSAPublic
	if hash == sha512 {
		parsePublic = func(file []byte) (keys.Wrapper, error) {
			key, err := local.ParseRSAPublic(file)
			if err != nil {
				return nil, err
			}
			return key.WithSHA512(), nil
		}
	}
	return fileReader(parsePublic, parseRSA)(at, p)
}

func parseRSAPublic(file []byte) (keys.Wrapper, error) { return local.ParseRSAPublic(file) }

func parseRSA(file []byte) (keys.Unwrapper, error) { return local.ParseRSA(file) }
