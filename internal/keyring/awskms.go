package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

const awsScheme = "awskms"

// readAWS reads a URL of the form awskms:KEY.
func readAWS(at *address.Address, p *address.Params) (loader, error) {
	o, pairs := readAWSParams(p)
	if at.Hosts != nil || at.Path == "" {
		return loader{}, errors.New("not of the form awskms:ARN, awskms:ID or awskms:alias/NAME")
	}
	if err := p.Check(); err != nil {
		return loader{}, err
	}
	o.Key = at.Path
	var err error
	if o.Pairs, err = readPairs(pairs); err != nil {
		return loader{}, err
	}
	return loader{
		wrapper: func(ctx context.Context, env Env) (keys.Wrapper, error) {
			o := o
			o.Observer = env.Observer
			key, err := awskms.New(ctx, o)
			return awskms.Encrypting{Key: key}, err
		},
		unwrapper: func(ctx context.Context, env Env) (keys.Unwrapper, error) {
			o := o
			o.Observer = env.Observer
			return awskms.New(ctx, o)
		},
	}, nil
}

func readAWSParams(p *address.Params) (o awskms.Options, pairs []string) {
	o.Region = p.ReadText(address.Param{
		Name: "region", Values: "REGION",
		Text: "the region whose KMS is asked; another one than that of a key's ARN is an error, unless the " +
			"key is a multi-Region key (mrk-)",
		Default: "(that of the ARN; of a multi-Region key that of the environment or the profile, if there is one)",
	})
	o.Role = p.ReadText(address.Param{
		Name: "role", Text: "a role to assume, by its ARN; its session is called streamcrypt",
		Values: "ARN", Default: "(none)",
	})
	o.Profile = p.ReadText(address.Param{
		Name:    "profile",
		Text:    "a profile of the shared AWS files; it goes before credentials in the environment",
		Values:  "NAME",
		Default: "(that of the environment)",
	})
	o.Endpoint = p.ReadText(address.Param{
		Name: "endpoint",
		Text: "another address than AWS's for the region, such as a VPC endpoint; plain http:// is refused " +
			"except on this machine, since the answers hold data keys, also where AWS_ENDPOINT_URL_KMS says it",
		Values:  "URL",
		Default: "(AWS's)",
	})
	pairs = p.ReadTexts(address.Param{
		Name:   "pair",
		Text:   "a further pair of the encryption context; may be given several times, and readers need the same pairs",
		Values: "NAME:VALUE", Default: "(none)",
	})
	return o, pairs
}

// readPairs reads NAME:VALUE. A name has no colon, since names with a colon are
// reserved.
func readPairs(texts []string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, ":")
		if !ok || name == "" || value == "" {
			return nil, errors.New("pair: not of the form NAME:VALUE")
		}
		if _, twice := pairs[name]; twice {
			return nil, fmt.Errorf("pair %q is given twice", name)
		}
		pairs[name] = value
	}
	return pairs, nil
}
