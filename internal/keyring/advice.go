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
	return []hint.Advice{
		hint.AboutError(local.ErrFIPS, "use an rsa: or local: key"),
		hint.AboutError(local.ErrOpenSSH, "convert a copy of it: "+
			"ssh-keygen -p -m PEM -f COPY makes a private key PEM, "+
			"ssh-keygen -e -m PKCS8 -f FILE prints a public one as PEM; of those only RSA keys encrypt"),
		hint.AboutError(textfile.ErrUTF16,
			"convert it: iconv -f UTF-16 -t UTF-8; in PowerShell say Out-File -Encoding utf8"),
		hint.AboutError(local.ErrPublicOnly, "name the file that holds the private key"),
		hint.AboutType[*NotBuiltError]("this build has " + strings.Join(Schemes(), ":, ") + ":"),
		hint.AboutError(awskms.ErrNoRegion, "say region= in the key's URL, or AWS_REGION; a key's ARN has its own"),
		hint.AboutError(awskms.ErrCredentials,
			"is `aws sts get-caller-identity` good? say profile= or role= in the key's URL to ask as another"),
		hint.AboutError(awskms.ErrClear, "say https://; http:// is for a KMS emulator on this machine"),
	}
}
