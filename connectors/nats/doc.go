// Package nats reads messages from JetStream streams and writes them to
// JetStream streams, as a Source and a Sink of package pipeline. It must know
// nothing of crypto: a value is bytes to it, and the Transform gives them a
// meaning.
//
// # Reading
//
// A Source serves one lane: a pull consumer that one process at a time owns, by
// a lease in a KV bucket (lease.go). It reads in the order of the stream, and
// the next owner goes on behind the last message that is acknowledged
// (order.go). More speed comes from more consumers, each with a part of the
// subjects (coverage.go). On request several processes share one consumer; then
// no order is promised: what was not acknowledged in time, or was given back by
// a process that ended, comes again later, under the same origin.
//
// A message is acknowledged when the pipeline commits it, which it does after
// the sink has made it durable, and where it has a Gate after the Gate's state
// is stored with the lease. Until then the server is told, three times per
// AckWait, that the message is being worked on; that includes messages that
// have arrived and wait to be read. So a worker may wait for hours without the
// server handing its messages to somebody else. A lane that ends gives back
// what it has not committed, and the server hands it out again at once.
//
// # Writing
//
// A Writer publishes without waiting for each acknowledgement and returns when
// the last one has come. Every message carries an id made of its origin and its
// subject, so a message that is written again within the stream's duplicates
// window is stored once. Messages that were not acknowledged are published
// again in order; when the connection breaks in the middle of a write, a
// message may still be stored after one that follows it.
//
// Other ways of publishing (modes.go) are atomic batches (batch.go), parts of a
// message that is too large (parts.go; join.go reads them), and fast batches
// (fast.go). All of them end in single messages when the server does not take a
// batch (round.go). A stream that keeps last values takes no message from a
// process that has lost its lease (fence.go). The answers of the server come by
// an inbox of the writer (answers.go, puback.go).
//
// # The form of a message
//
// NATS messages have no key and no null, so these travel in two headers of our
// own, KeyHeader and NullHeader. Headers are kept, except those by which a
// publisher instructs the server (see Reserved): they were meant for the stream
// that the message came from. The order of headers with different names is not
// kept by NATS; a Source gives them sorted by name. See Check for what cannot
// be written.
package nats
