// Package wire speaks the few Kafka requests that the record path needs: Fetch,
// Produce, Metadata, ListOffsets, OffsetFetch. Connections, TLS, SASL,
// discovery and the search for coordinators are those of kafka-go's Transport;
// the messages are our own and travel by its hook protocol.RawExchanger, so
// that the records of an answer are one recycled buffer and those of a request
// are sent from where they lie.
//
//	request       version  least broker
//	Fetch              11  Kafka 2.3
//	Produce             8  Kafka 2.4
//	ListOffsets         5  Kafka 2.2
//	Metadata      9 or 10  Kafka 2.4, topic ids from 2.8
//	OffsetFetch         7  Kafka 2.5
//
// # The owner of a buffer
//
// The Transport returns when the caller's context ends, while the connection's
// own goroutine goes on with the exchange. So an exchange is never cancelled:
// it has a deadline, which the connection keeps. The caller may leave
// earlier; then the exchange's goroutine gives the buffers back when it is done
// with them. A buffer therefore has one owner at any time:
//
//	Fetch     exchange ─► FetchResponse ─► pool, by Release
//	          exchange ─► pool, if the caller has left or the
//	                      exchange failed
//	Produce   caller ─► exchange ─► caller, by ProduceRequest.Release
//
// The package starts no goroutine and retries nothing. It must not know the
// content of a batch, groups, or the state of transactions. Of package batch it
// uses one type, the entry of the list of aborted transactions that an answer
// to Fetch carries beside its batches.
package wire
