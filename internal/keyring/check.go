package keyring

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/findings"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

// Use is the work that a route has for keys.
type Use int

// The uses.
const (
	// Seal makes data keys and wraps them.
	Seal Use = iota
	// Wrap wraps data keys that are there.
	Wrap
	// Unwrap unwraps data keys.
	Unwrap
	// MoveFrom and MoveTo have a key service take data keys from one of its
	// keys to another, without showing them.
	MoveFrom
	MoveTo
)

// RewrapUses returns how a rewrap uses old and new keys: a service can move
// data keys only among its own.
func RewrapUses(oldURLs, newURLs []string) (from, to Use) {
	for _, text := range slices.Concat(oldURLs, newURLs) {
		if at, _, err := readURL(text); err != nil || at.Scheme != awsScheme {
			return Unwrap, Wrap
		}
	}
	return MoveFrom, MoveTo
}

// KeyReport is the result of a look at a key.
type KeyReport struct {
	Name string `json:"name"`
	findings.Report
	// Key is the key, with the abilities that its kind has; nil if it could
	// not be loaded.
	Key any `json:"-"`
}

// CheckKeys loads the keys of urls, as LoadWrappers and LoadUnwrappers do, and
// asks key services whether they would do their part, where they can tell
// without doing it. Nothing is made or used by that. kc is that of the route.
func CheckKeys(ctx context.Context, urls []string, use Use, kc keys.Context, env Env) []KeyReport {
	reports := make([]KeyReport, len(urls))
	generated := false // one key service makes the data keys
	seen := map[string]bool{}
	for i, text := range urls {
		r := &reports[i]
		at, l, err := readURL(text)
		if err != nil {
			r.Name = "key"
			r.AddProblem(err)
			continue
		}
		r.Name = at.String()
		key, err := loadFor(ctx, l, use, env)
		if err != nil {
			r.AddProblem(err)
			continue
		}
		r.Name, r.Key = key.Name(), key
		if namesFile(at) {
			r.Key = fileKey{key, at.Path}
			r.Warnings = listWide(at.Path)
		}
		if seen[r.Name] {
			r.AddProblem(errors.New("it is given twice"))
		}
		seen[r.Name] = true
		_, generates := key.(keys.Generator)
		generates = generates && use == Seal && !generated
		generated = generated || generates
		checkKey(ctx, r, at, key, use, generates, kc)
	}
	return reports
}

// fileKey is a key in a local file.
type fileKey struct {
	named
	path string
}

// ReadBirth returns when the file was last changed: key files are made once.
func (k fileKey) ReadBirth(context.Context) (time.Time, error) {
	info, err := os.Stat(k.path)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

func loadFor(ctx context.Context, l loader, use Use, env Env) (named, error) {
	if use == Unwrap || use == MoveFrom {
		return l.unwrapper(ctx, env)
	}
	return l.wrapper(ctx, env)
}

// checkKey adds the rights that a key takes, and whether they are there.
func checkKey(
	ctx context.Context, r *KeyReport, at *address.Address, key named, use Use, generates bool, kc keys.Context,
) {
	r.AddFact("use", "%s", describeUse(use, generates))
	if at.Scheme != awsScheme {
		return // the file has been read, and that is all
	}
	need := needOfKMS(at.Path, use, generates, kc)
	probe, can := key.(keys.Prober)
	if (use == Seal || use == Wrap) && can {
		err := probe.Probe(ctx, kc, generates)
		switch {
		case err == nil:
			need.State = findings.Given
		case awskms.FindCause(err) == awskms.CauseDenied:
			need.State = findings.Missing
		default:
			r.AddProblem(err)
		}
	}
	r.Needs = append(r.Needs, need)
}

func describeUse(use Use, generates bool) string {
	switch {
	case use == Unwrap:
		return "unwraps data keys"
	case use == MoveFrom:
		return "gives data keys to the new keys, inside the key service"
	case use == MoveTo:
		return "takes data keys from the old keys, inside the key service"
	case generates:
		return "makes and wraps data keys"
	}
	return "wraps data keys"
}

// needOfKMS returns the right that a route takes on a key in AWS KMS, with a
// statement of a policy that gives it. KMS tells in advance only of new data
// keys: of others it wants to see one.
func needOfKMS(key string, use Use, generates bool, kc keys.Context) findings.Need {
	action := "kms:Encrypt"
	switch {
	case use == Unwrap:
		action = "kms:Decrypt"
	case use == MoveFrom:
		action = "kms:ReEncryptFrom"
	case use == MoveTo:
		action = "kms:ReEncryptTo"
	case generates:
		action = "kms:GenerateDataKey"
	}
	resource := key
	if !strings.HasPrefix(key, "arn:") || strings.Contains(key, ":alias/") {
		resource = "ARN-OF-THE-KEY" // policies name keys, not aliases
	}
	statement := map[string]any{"Effect": "Allow", "Action": action, "Resource": resource}
	if kc.Name != "" {
		statement["Condition"] = map[string]any{
			"StringEquals": map[string]string{"kms:EncryptionContext:streamcrypt:context": kc.Name},
		}
	}
	grant, _ := json.Marshal(statement) // maps of strings
	return findings.Need{Right: action + " on " + key, State: findings.Unknown, Grant: string(grant)}
}
