package wire

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// The versions that this package speaks by itself. See Ask for those of other
// requests.
const (
	fetchVersion       = 11
	produceVersion     = 8
	addingVersion      = 12 // of Produce: the leader adds partitions to the transaction
	listOffsetsVersion = 5
	metadataVersion    = 9
	topicIDVersion     = 10 // of Metadata
	offsetFetchVersion = 7
)

// errNoPeer says that a connection does not tell the versions of its broker.
var errNoPeer = errors.New("the connection was not opened by package dial")

// needVersion returns nil if the broker speaks a version of a request.
func needVersion(peer *dial.Peer, api protocol.ApiKey, version int16) error {
	least, most, ok := peer.Versions(int16(api))
	switch {
	case !ok:
		return &VersionError{API: api, Need: version, Has: -1}
	case version < least || version > most:
		return &VersionError{API: api, Need: version, Least: least, Has: most}
	}
	return nil
}

// Supported asks a broker whether it speaks all that this package does. If not,
// the error has a *VersionError for every request that it lacks.
func (c *Client) Supported(ctx context.Context) error {
	x := &exchange{api: protocol.ApiVersions, prepare: func(peer *dial.Peer) error {
		return errors.Join(
			needVersion(peer, protocol.Fetch, fetchVersion),
			needVersion(peer, protocol.Produce, produceVersion),
			needVersion(peer, protocol.ListOffsets, listOffsetsVersion),
			needVersion(peer, protocol.Metadata, metadataVersion),
			needVersion(peer, protocol.OffsetFetch, offsetFetchVersion),
		)
	}}
	_, err := c.do(ctx, x, anywhere(), c.Timeout)
	return err
}
