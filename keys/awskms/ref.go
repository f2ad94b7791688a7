package awskms

import (
	"errors"
	"strings"
)

const (
	keyPrefix   = "key/"
	aliasPrefix = "alias/"
	multiRegion = "key/mrk-"
)

// ref names a key, or an alias that leads to one.
type ref struct {
	partition, region, account string // all empty unless it was given as an ARN
	resource                   string // key/ID or alias/NAME
}

var errRef = errors.New("not a KMS key: give a key's ARN or id, alias/NAME or an alias's ARN")

// parseRef reads the key that a user configures.
func parseRef(text string) (ref, error) {
	r := ref{resource: text}
	switch {
	case strings.HasPrefix(text, "arn:"):
		var ok bool
		if r, ok = parseARN(text); !ok {
			return ref{}, errRef
		}
	case !strings.HasPrefix(text, aliasPrefix):
		r.resource = keyPrefix + text
	}
	if !validResource(r.resource) {
		return ref{}, errRef
	}
	return r, nil
}

// parseKeyARN reads the key that an envelope or an answer names.
func parseKeyARN(text string) (ref, bool) {
	r, ok := parseARN(text)
	return r, ok && r.isKey()
}

func parseARN(text string) (r ref, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kms" || len(text) > 2048 {
		return ref{}, false
	}
	r = ref{partition: parts[1], region: parts[3], account: parts[4], resource: parts[5]}
	ok = isMadeOf(r.partition, lower+digits+"-") && isMadeOf(r.region, lower+digits+"-") &&
		len(r.account) == 12 && isMadeOf(r.account, digits) && validResource(r.resource)
	return r, ok
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

func validResource(s string) bool {
	if id, ok := strings.CutPrefix(s, keyPrefix); ok {
		return isMadeOf(id, lower+upper+digits+"-") && len(id) <= 128
	}
	name, ok := strings.CutPrefix(s, aliasPrefix)
	return ok && isMadeOf(name, lower+upper+digits+"/_-") && len(name) <= 250
}

// isMadeOf says that s is not empty and consists of these characters.
func isMadeOf(s, of string) bool { return s != "" && strings.Trim(s, of) == "" }

func (r ref) isKey() bool  { return strings.HasPrefix(r.resource, keyPrefix) }
func (r ref) isFull() bool { return r.account != "" }

// isMultiRegion says that the same key may have replicas with the same ARN but
// for the region.
func (r ref) isMultiRegion() bool { return strings.HasPrefix(r.resource, multiRegion) }

// inRegion returns the replica in a region; r itself if it has none.
func (r ref) inRegion(region string) ref {
	if r.isFull() && r.isMultiRegion() {
		r.region = region
	}
	return r
}

// isSameKey says that two ARNs are those of one key.
func (r ref) isSameKey(o ref) bool { return r.inRegion("") == o.inRegion("") }

// String is the reference as KMS takes it.
func (r ref) String() string {
	switch {
	case r.isFull():
		return "arn:" + r.partition + ":kms:" + r.region + ":" + r.account + ":" + r.resource
	case r.isKey():
		return strings.TrimPrefix(r.resource, keyPrefix)
	}
	return r.resource
}
