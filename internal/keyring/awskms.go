package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

// fromAWS makes a key of awskms:KEY, where KEY is an ARN, an id or alias/NAME.
func fromAWS(ctx context.Context, at *address.Address) (*awskms.Key, error) {
	if at.Hosts != nil || at.Path == "" {
		return nil, errors.New("not of the form awskms:ARN, awskms:ID or awskms:alias/NAME")
	}
	p := at.Params()
	o := awskms.Options{
		Key:      at.Path,
		Region:   p.ReadText(address.Param{Name: "region"}),
		Role:     p.ReadText(address.Param{Name: "role"}),
		Profile:  p.ReadText(address.Param{Name: "profile"}),
		Endpoint: p.ReadText(address.Param{Name: "endpoint"}),
	}
	pairs := p.ReadTexts(address.Param{Name: "pair"})
	if err := p.Check(); err != nil {
		return nil, err
	}
	var err error
	if o.Pairs, err = readPairs(pairs); err != nil {
		return nil, err
	}
	return awskms.New(ctx, o)
}

// readPairs reads NAME:VALUE. A name has no colon: those that have are reserved.
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
