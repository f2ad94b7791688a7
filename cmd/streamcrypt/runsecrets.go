package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// No field holds a secret: keys, passwords and tokens are in files, and fields
// name them. A name of such a file may begin with ${VARIABLE}, since service
// managers tell by variables where they have put secrets, as systemd does with
// CREDENTIALS_DIRECTORY. Nothing else is taken from the environment: a
// configuration means the same for everyone who reads it.

// variableUse matches ${VARIABLE} with the text that may precede it.
var variableUse = regexp.MustCompile(`([A-Za-z0-9-]*[=:])?\$\{([^}]*)(\}?)`)

// variable matches the name of a variable.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// secretFields are fields that name files with secrets, and secretParams are
// such parameters of URLs.
const (
	//nolint:gosec // names of fields and parameters, and no secrets
	secretFields = " key old-key sign ops-key ops-token-file alarm-webhook-token alarm-snmp "
	//nolint:gosec // the same
	secretParams = " key= creds= nkey= password-file= token-file= key-password-file= client-secret-file= id-secret= "
)

// expandSecrets replaces each ${VARIABLE} at the beginning of the name of a
// secret's file in the value of a field, and refuses every other.
func expandSecrets(field, value string) (string, error) {
	var wrong error
	begins := true // whether the next match can be at the beginning of the value
	out := variableUse.ReplaceAllStringFunc(value, func(match string) string {
		parts := variableUse.FindStringSubmatch(match)
		before, name := parts[1], parts[2]
		first := begins && strings.HasPrefix(value, match)
		begins = false
		switch {
		case strings.HasSuffix(before, "=") && !strings.Contains(secretParams, " "+before+" "),
			!strings.HasSuffix(before, "=") && !strings.Contains(secretFields, " "+field+" "),
			before == "" && !first: // behind a scheme, behind a parameter, or first of all
			wrong = hint.New("${"+name+"}: variables stand only where the name of a secret's file begins",
				"write the value itself; password-file=${CREDENTIALS_DIRECTORY}/password names a secret's file")
		case parts[3] == "" || !variable.MatchString(name):
			wrong = errors.New("${" + name + "}: not a variable")
		default:
			text, ok := os.LookupEnv(name)
			if ok && text != "" {
				return before + text
			}
			wrong = &hint.Error{
				Err:  fmt.Errorf("${%s}: the environment has no such variable, or it is empty", name),
				Hint: "set it, or name the file itself",
			}
		}
		return match
	})
	return out, wrong
}
