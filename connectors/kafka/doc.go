// Package kafka reads messages from Kafka topics and writes them to Kafka
// topics, as a Source and a Sink of package pipeline. It must know nothing of
// crypto: what a value means is the Transform's business.
//
// # Reading
//
// A Source is a member of a consumer group (classic protocol), or reads by
// itself what a topic holds (Until). A member's partitions are dealt out to
// lanes: as many as there are leaders, or workers if that is more. A lane reads
// all its partitions of one leader with one request. Lanes are fixed for a
// generation of the group; when that ends, lanes write and commit what is in
// flight and end.
//
// Records of aborted transactions and control records are never messages. The
// time of a message is that of its record, or that of its batch in a topic with
// LogAppendTime.
//
// # Writing
//
// A Writer makes one record batch per partition of what it is given, and sends
// one request per leader. Key, value, headers and time are written as they are;
// null and empty stay different. Every batch has a producer id and a sequence
// number, so that a request that is sent again, because its answer was lost, is
// stored once.
//
// # Delivery
//
// If the Source and the Sink are of one cluster, each lane has a transactional
// producer, through which go its messages, its dead letters and its offsets. A
// transaction opens with a write and closes 100 ms later, or earlier if nothing
// waits. When something fails it is aborted, the lane ends with
// pipeline.ErrLost, and is served again from the committed offset. A consumer
// that reads committed records sees every message once.
//
// Otherwise the producer is idempotent only, and the lane commits offsets 100
// ms after their messages have been written: at least once. Both commits carry
// the member and generation, so that those of an owner that has lost its
// partitions are refused.
//
// An offset is committed with what the pipeline must know to go on: the offset
// of the message before it and the state of the Gate, in the offset's metadata.
package kafka
