// Package cluster is the way to a Kafka cluster: it finds out who leads a
// partition and who coordinates a group or a transaction, and sends requests
// again for as long as their errors say that this helps.
//
// It must not know the content of records, nor lanes and transactions: a
// request goes in and an answer comes out. It starts no goroutine; those of the
// connections are kafka-go's.
//
//	options.go       how to reach a cluster and who we are
//	cluster.go       Cluster: connecting, configuration and creation of topics
//	topic.go         Topic: its id, and the leaders of its partitions
//	listing.go       offsets that belong to times, from the leaders
//	coordinators.go  the coordinators of groups and transactions, and requests to them
//	entrances.go     the addresses that lead to any broker of the cluster
//	anybroker.go     a broker for questions that any can answer
//	offsets.go       offsets of a group, outside transactions
//	metadata.go      a pipeline.Position as the metadata of an offset
//	place.go         names of partitions
//	retry.go         Retry: when the same request is sent again
//	errors.go        errors, and the outcomes that follow from them
package cluster
