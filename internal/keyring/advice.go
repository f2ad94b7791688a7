package keyring

import (
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/textfile"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// Advice returns the advice about errors of keys.
func Advice() []hint.Advice {
	return append([]hint.Advice{
		hint.AboutError(local.ErrFIPS, "use an rsa: or local: key"),
		hint.AboutError(local.ErrOpenSSH, "convert a copy of it: "+
			"ssh-keygen -p -m PEM -f COPY makes a private key PEM, "+
			"ssh-keygen -e -m PKCS8 -f FILE prints a public one as PEM; of those only RSA keys encrypt"),
		hint.AboutError(textfile.ErrUTF16,
			"convert it: iconv -f UTF-16 -t UTF-8; in PowerShell say Out-File -Encoding utf8"),
		hint.AboutError(local.ErrPublicOnly, "name the file that holds the private key"),
		hint.AboutType[*NotBuiltError]("this build has " + strings.Join(Schemes(), ":, ") + ":"),
	}, adviseOnKMS()...)
}

// adviseOnKMS returns the advice about errors of AWS KMS.
func adviseOnKMS() []hint.Advice {
	about := func(cause awskms.Cause, text string) hint.Advice {
		return hint.AboutErrors(func(err error) bool { return awskms.FindCause(err) == cause }, text)
	}
	return []hint.Advice{
		hint.AboutError(awskms.ErrNoRegion, "say region= in the key's URL, or AWS_REGION; a key's ARN has its own"),
		hint.AboutError(awskms.ErrClear, "say https://; http:// is for a KMS emulator on this machine"),
		about(awskms.CauseProxy, "the proxy is that of HTTPS_PROXY; NO_PROXY names the hosts that need none"),
		about(awskms.CauseFIPS,
			"leave out endpoint=, or unset AWS_USE_FIPS_ENDPOINT (use_fips_endpoint of the profile); a FIPS endpoint "+
				"may also be named itself: endpoint=https://kms-fips.REGION.amazonaws.com"),
		hint.AboutError(awskms.ErrCredentials,
			"is `aws sts get-caller-identity` good? say profile= or role= in the key's URL to ask as another"),
		about(awskms.CauseCiphertext,
			"KMS does not say why: was it sealed with another --context, or with other pair= in the key's URL? "+
				"or with "+
				"another key, or was it changed?"),
		about(awskms.CauseDenied,
			"the role needs rights on the key's ARN, which docs/operate.md lists under IAM; a condition on the "+
				"encryption context must be that of --context"),
		about(awskms.CauseMissing,
			"are the alias, the account and region= right? an alias is looked up in the region and account that "+
				"are asked"),
		about(awskms.CauseCertificate,
			"is endpoint= the name in the certificate? SSL_CERT_FILE names the roots of a proxy that opens TLS"),
		about(awskms.CausePlaintext, "the endpoint speaks no TLS: is the port of endpoint= right?"),
		about(awskms.CauseNotKMS, "something else than KMS answered: is endpoint= right, or does a proxy answer?"),
	}
}
