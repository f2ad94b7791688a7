// Package jwe has the bytes of JSON Web Encryption (RFC 7516): the compact, the
// general and the flattened form. docs/convert.md says which part of it is
// taken, and why the rest is refused.
//
//	jwe.go        the Format, the algorithms, the derivation of keys
//	parse.go      which form a message has; the compact form
//	parsejson.go  the general and the flattened form
//	header.go     header parameters, and the recipient that they describe
//	members.go    JSON objects and base64url, strictly
//	template.go   messages that are made
//
// It sees bytes and never a key: package internal/convert seals and opens. The
// one exception is Derive, which is handed the secret of a key agreement.
package jwe
