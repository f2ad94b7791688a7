package keyring

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// Kind is one kind of key.
type Kind struct {
	Scheme string
	Form   string // of a URL without parameters, such as local:FILE
	Text   string // the kind of key in one sentence, without the full stop
	Notes  string // further sentences for help and reference; may be empty
	IsFile bool   // the URL names a local file, which a shell can complete; see KeyFile
	// Service says that the key stays with a service: only envelopes have
	// recipients of such a kind.
	Service bool
	// Generate makes a new key as the content of its file. bits is for a kind
	// with Sizes; 0 is its default. A nil Generate says that keys of this kind
	// are not made here.
	Generate func(bits int) ([]byte, error)
	Sizes    string // of new keys in bits, for help; "" if all have one size

	// parse reads a key file, of which it needs only the public half; nil of
	// kinds that have no file.
	parse func(file []byte) (keys.Wrapper, error)
	// parsePrivate reads a key file, of which it needs the private half.
	parsePrivate func(file []byte) (keys.Unwrapper, error)
	// read reads a URL of this kind. It declares all parameters before it
	// returns an error, and opens nothing.
	read func(at *address.Address, p *address.Params) (loader, error)
}

// loader loads the key that a URL names.
type loader struct {
	wrapper   func(ctx context.Context, env Env) (keys.Wrapper, error)
	unwrapper func(ctx context.Context, env Env) (keys.Unwrapper, error)
}

// Params returns the parameters that a URL of this kind may have.
func (k *Kind) Params() []address.Param {
	return address.ListParams(func(p *address.Params) { _, _ = k.read(&address.Address{Scheme: k.Scheme}, p) })
}

// defaultRSABits is the size of a new RSA key.
const defaultRSABits = 3072

// Kinds returns the kinds of key that this build has, in the order in which
// help lists them.
func Kinds() []Kind {
	return []Kind{
		{
			Scheme: LockableKind, Form: "local:FILE", IsFile: true,
			Text:     "an AES-256 key in a JWK file, which encrypts and decrypts",
			Generate: func(int) ([]byte, error) { return local.GenerateAES() },
			parse:    parseAES, parsePrivate: parseAESPrivate,
			read: readLocal,
		},
		{
			Scheme: "x25519", Form: "x25519:FILE", IsFile: true,
			Text:     "an X25519 key in a PEM file: the public half encrypts, the private half decrypts",
			Generate: func(int) ([]byte, error) { return local.GenerateX25519() },
			parse:    parseX25519Public, parsePrivate: parseX25519,
			read: fileReader(parseX25519Public, parseX25519),
		},
		{
			Scheme: "rsa", Form: "rsa:FILE", IsFile: true,
			Sizes: "2048 to 4096; default: " + strconv.Itoa(defaultRSABits),
			Text:  "an RSA key of 2048 to 4096 bits in a PEM file: the public half encrypts, the private half decrypts",
			Generate: func(bits int) ([]byte, error) {
				if bits == 0 {
					bits = defaultRSABits
				}
				return local.GenerateRSA(bits)
			},
			parse: parseRSAPublic, parsePrivate: parseRSA,
			read: readRSA,
		},
		{
			Scheme: nkeyScheme, Form: "nkey:FILE", IsFile: true,
			Text: "a curve key of NATS, a file with its seed SX... or its public half X..., or that half in " +
				"place of FILE: a recipient like one of x25519:",
			Generate: func(int) ([]byte, error) { return generateNKey() },
			parse:    parseNKeyPublic, parsePrivate: parseNKey,
			read: readNKey,
		},
		{
			Scheme: awsScheme, Form: "awskms:KEY", Service: true,
			Text: "a symmetric key in AWS KMS, by its ARN, its id, or alias/NAME",
			Notes: "Credentials, and everything else that a URL does not say, come from the usual places of the " +
				"AWS SDK: " +
				"the environment, shared files, the role of the container or the machine.",
			read: readAWS,
		},
		{
			Scheme: "exec", Form: "exec:COMMAND",
			Text: "a key that a command prints, in the form of any key file, for those who keep keys elsewhere",
			Notes: "The command runs without a shell when the keys are loaded, and prints the content of a key file " +
				"to standard output. Its standard error is not shown, since it could tell of the key.",
			read: readExec,
		},
	}
}

func parseAES(file []byte) (keys.Wrapper, error) { return local.ParseAES(file) }

func parseAESPrivate(file []byte) (keys.Unwrapper, error) { return local.ParseAES(file) }

func parseX25519Public(file []byte) (keys.Wrapper, error) { return local.ParseX25519Public(file) }

func parseX25519(file []byte) (keys.Unwrapper, error) { return local.ParseX25519(file) }

// NameKey returns the name of the key that a file holds, or the public half of
// which it holds. It is no secret.
func NameKey(file []byte) (string, error) {
	for _, k := range Kinds() {
		if k.parse == nil {
			continue
		}
		if key, err := k.parse(file); err == nil {
			return key.Name(), nil
		}
	}
	if key, err := local.ParseEd25519Public(file); err == nil {
		return key.Name(), nil
	}
	return "", errors.New("not the file of a key")
}

// FindKind returns nil if there is no such kind.
func FindKind(scheme string) *Kind {
	for _, k := range Kinds() {
		if k.Scheme == scheme {
			return &k
		}
	}
	return nil
}

// Schemes returns the schemes of all kinds.
func Schemes() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Scheme)
	}
	return names
}

// DescribeForms lists the forms of all URLs of keys: a, b or c.
func DescribeForms() string {
	var forms []string
	for _, k := range Kinds() {
		forms = append(forms, k.Form)
	}
	last := len(forms) - 1
	return strings.Join(forms[:last], ", ") + " or " + forms[last]
}
