// Package proof compares two sides record by record: the plaintext, and the
// envelopes that were made of it. It finds out by positions, in bounded memory,
// which records are missing, changed, doubled or out of order.
//
//	record.go    Record, and the digest by which two records are compared
//	comparer.go  Comparer: takes the records of both sides as they come
//	sealed.go    the decision about a record of the sealed side
//	finish.go    the decision about records that the other side has not got
//	pace.go      the side that is ahead waits for the other one
//	compacted.go records that compaction has taken away rightly
//	place.go     one place of the plaintext; gaps.go its missing offsets
//	table.go     the records that wait for their counterpart
//	origins.go   the first few origins of each finding
//	report.go    Report; signed.go the file that an auditor keeps
//
// docs/proof.md has the meaning of a report, and the form of digests.
//
// Both sides may be read in several passes. A pass looks at a share of all
// offsets, so that the memory is that of a share.
//
// The package must not know where records are stored, how they are read, or how
// envelopes are opened. It never sees plaintext: a Record has a keyed digest.
// It starts no goroutine.
package proof
