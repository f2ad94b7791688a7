// Package batch reads and writes Kafka record batches, message format v2 (magic
// 2).
//
// A batch is 61 bytes of header and its records, which may be compressed as one
// piece:
//
//	offset  bytes  field
//	     0      8  base offset
//	     8      4  length of the rest
//	    12      4  partition leader epoch
//	    16      1  magic
//	    17      4  CRC-32C over the rest
//	    21      2  attributes, by bit: compression 0-2,
//	                 append time 3, transactional 4, control 5
//	    23      4  last offset delta
//	    27      8  base timestamp, ms
//	    35      8  max timestamp, ms
//	    43      8  producer id
//	    51      2  producer epoch
//	    53      4  base sequence
//	    57      4  number of records
//	    61         records
//
// Reader takes the answer of a fetch for one partition and appends its records
// to Records, arrays that are recycled from read to read: no allocation per
// record, and no copy unless the batch is compressed. Compressed batches are
// inflated piece by piece, so that memory follows the size of a read and not
// the inflated size of a batch. Codecs owns the decoders and counts their
// memory. Appender gathers messages into one new batch.
// Committed tells which batches belong to aborted transactions.
//
// Input is not trusted: every length is checked before it is used, and a batch
// that is not exactly as it should be is an error.
//
//	reader.go, info.go, record*.go     batches and their records
//	committed.go                       transactions
//	inflate.go, codecs.go              compressed batches, their memory, gzip
//	lz4.go, xxh32.go, snappy.go        codecs that are blocks
//	zstd.go                            zstd
//	appender.go, compression.go        new batches
//
// The package does no I/O and knows nothing of brokers, groups or transactions
// beyond the bits of a batch.
package batch
