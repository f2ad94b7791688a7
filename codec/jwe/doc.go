// Package jwe has the bytes of JSON Web Encryption (RFC 7516): compact, general
// and flattened JSON. docs/jwe.md says which part of it is taken and why.
//
// It sees bytes and never a key: package internal/convert seals and opens.
package jwe
