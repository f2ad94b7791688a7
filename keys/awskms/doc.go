// Package awskms is AWS KMS as a key service: it generates, wraps, unwraps and
// rewraps data keys under a KMS key, which never leaves KMS.
//
// # Which key
//
// A key is configured by ARN, by id or by alias. The kid of an envelope is
// always the key ARN that KMS answers with. Which key unwraps is never taken
// from an envelope: every Decrypt and ReEncrypt names the configured key, or
// the configured alias, or a key that KMS said is behind that alias. Otherwise
// an attacker's own key would open forgeries.
//
// An alias is never resolved by DescribeKey, so that a role needs no more than
// the permission for its task. The ARN behind the alias is learnt from the
// answers, again at every Generate: when the alias is moved, the next data key
// is wrapped under the new key. A reader that is configured by alias follows in
// the same way, at the first envelope with an ARN that it does not know. Keys
// that were seen behind the alias since the process began still unwrap. After a
// restart those from before do not, unless their ARNs are configured too.
//
// A multi-Region key is one key: Fits takes the ARN of every replica, and
// Decrypt asks the replica in the client's own region.
//
// # Encryption context
//
// Every call carries these pairs, which KMS binds to the wrapped key and shows
// in its logs: "streamcrypt:format" is "1", "streamcrypt:context" is the name
// of the key context and is left out if that is empty, and the user's own
// pairs, with names that begin with neither "streamcrypt:" nor "aws:".
//
// # Duties
//
// The package calls KMS once for each call it gets, inside package guard; the
// SDK's retries are off, since kekcache tries again. It must not know
// envelopes, keep data keys, or show in an error the bytes that KMS calls a
// plaintext. Data keys are cleared where that is possible; the SDK's own
// buffers, which hold answers in base64, it cannot clear.
//
//	key.go       Key and Encrypting; which wrapped keys fit
//	ref.go       names of keys and aliases
//	options.go   Options, and the encryption context
//	client.go    the SDK's client, credentials, confidential transport
//	wrap.go, unwrap.go, rewrap.go   the calls
//	classify.go  the meaning of errors
package awskms
