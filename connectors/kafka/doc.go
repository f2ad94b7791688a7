// Package kafka reads messages from Kafka topics and writes them to Kafka
// topics, as a Source and a Sink of package pipeline. It must know nothing of
// crypto: a value is bytes to it, and the Transform gives them a meaning.
//
// # Reading
//
// A Source is a member of a consumer group (see package membership), or reads
// the present content of a topic by itself (Until). Partitions are dealt out to
// lanes: as many as there are leaders, or workers if that is more. A lane reads
// all its partitions of one leader with one request.
//
// Lanes are fixed for the process. Partitions join and leave a lane that lives:
// one that has to go is read no further, and leaves when everything that was
// read of it is committed, while the others go on.
//
// Records of aborted transactions and control records are never messages. The
// time of a message is that of its record, or that of its batch in a topic with
// LogAppendTime.
//
// # Writing
//
// A Writer makes one record batch per partition of the messages that it is
// given, and sends one request per leader. Key, value, headers and time are
// written unchanged; null and empty stay different. Every batch has a producer
// id and a sequence number, so that a request that is sent again, because its
// answer was lost, is stored once.
//
// # Delivery
//
// If the Source and the Sink are of one cluster, each lane has a transactional
// producer, which carries its messages, its dead letters and its offsets. A
// transaction opens with a write and closes 100 ms later, or earlier if nothing
// waits. When something fails the transaction is aborted, the lane ends with
// pipeline.ErrLost, and is served again from the committed offset. A consumer
// that reads committed records sees every message once.
//
// Otherwise the producer is idempotent only, and the lane commits offsets 100
// ms after their messages have been written: at least once. Both commits carry
// the member and generation, so that those of an owner that has lost its
// partitions are refused.
//
// An offset is committed together with the state that the pipeline needs to
// continue: the offset of the message before it and the state of the Gate, in
// the offset's metadata.
//
// # File map
//
//	options.go                    SourceOptions, SinkOptions and their words
//	source.go, group.go           a Source as a member of a group
//	layout.go, owner.go           facts for the membership, and the identity of commits
//	lanetable.go, moves.go        partitions that join and leave lanes
//	bounded.go, starts.go         a run with an end; where partitions begin and end
//	leaderwatch.go, sealed.go     leaders cut off, groups forgotten
//	ends.go, epochs.go, losses.go ends that are true: open transactions, logs
//	                              that were cut, records deleted unread
//	shares.go, laneserver.go      partitions dealt out to lanes, each served until it is taken away
//	lane.go, failure.go           pipeline.Lane, and the reason why one cannot go on
//	fetcher.go, partition.go      fetches of a lane, and the part of an answer for each partition
//	replica.go                    which replica of a partition is read
//	lent.go                       batches that share the memory of an answer
//	committer.go, pending.go      positions that wait for a commit outside transactions
//	sink.go, partitioner.go       a Sink, and the partition of a message
//	writer.go, sender.go          record batches, and requests to leaders
//	producer.go, transaction.go   a producer id, and one transaction after the other
//	strength.go, storage.go       how topics are made and compared; what they delete
//	peek.go                       single records in any order
//	status.go, observer.go        how far a Source is, and observers
//	errors.go                     errors of Sources and Sinks
//	membership/                   the membership of a process in a group
//	cluster/                      leaders, coordinators, retries
//	dial/                         connections: TLS, SASL and what a broker speaks
//	wire/                         the requests of the record path
//	batch/                        record batches: parsing and making
//
// # Not obvious
//
// A connection of kafka-go cannot be interrupted. A read of a lane that is
// taken away returns at once, while its fetch runs on to its deadline; wire
// says who owns the memory meanwhile.
//
// Near the end of a session without an answer from the group's coordinator,
// reads and writes end with pipeline.ErrLost, since another member may have the
// partitions soon. A commit that a round has outdated is sent again under the
// identity of that round: the leader gives nobody a partition that is claimed.
//
// A broker answers a fetch with at least one whole batch, but only for the
// first partition of the request that has data. A partition whose batch was cut
// short is therefore asked for first, and alone if that is not enough (see
// fetcher.askFirst).
//
// Produce and Fetch name a topic and not its id. A topic that was deleted and
// made again would be read or written without a word, so its id is compared
// after every pause (topicSet.CheckIdentity).
//
// A transaction never closes between a write and its position. The token of a
// transaction is held by one goroutine at a time: the worker that writes, or
// the goroutine that closes. A request whose answer was lost may still arrive
// later, so the next transaction gets a new epoch first (producer.uncertain).
//
// A bounded run is no member of its group. It commits where it starts before it
// reads, which brokers refuse while the group has members, and takes over the
// transactional ids of every lane that any run of the group may have, which
// fences a run that is still under way.
package kafka
