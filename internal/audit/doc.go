// Package audit keeps the audit log: key operations as lines of JSON in a file,
// each with the hash of the one before. docs/audit.md is its specification.
//
//	kekcache ─Event─► Log.Record ─► lock, catch up, append, sync ─► file
//	                                                      Verifier ◄──┘
//
// Files:
//
//	log.go     Log, which appends lines and follows a file that is rotated
//	end.go     the end of a file, which every line is written behind
//	line.go    the one encoding of a line
//	who.go     who does the operations: host, user, process, route
//	lock_*.go  the lock between processes
//	verify.go  Verifier, which follows a chain
//
// A line is on the disk when Record returns, or Record returns an error and
// nothing of the line is left. Any number of processes may write to one file.
//
// The package must not know the meaning of an operation, and never sees a key:
// an Event holds names. It starts no goroutine.
package audit
