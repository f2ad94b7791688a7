// Package audit keeps the audit log: key operations as lines of JSON in a file, each with the hash of the one before.
// docs/audit.md is its specification.
//
//	kekcache ─Event─► Log.Record ─► lock, look at the end, append, sync ─► file ─► Verifier
//
// A line is on the disk when Record returns, or Record returns an error and nothing of it is left. Any number of processes
// may write to one file.
//
// The package must not know what an operation means, and never sees a key: an Event holds names. It starts no goroutine.
package audit
