package wire

import (
	"context"
	"errors"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// The versions that this package speaks.
const (
	fetchVersion       = 11
	produceVersion     = 8
	listOffsetsVersion = 5
	metadataVersion    = 9
	topicIDVersion     = 10 // of Metadata
	offsetFetchVersion = 7
)

// versions is what a broker speaks, as it says itself. What kafka-go negotiated
// is bounded by what kafka-go speaks, which is too little for Metadata and
// OffsetFetch.
type versions map[protocol.ApiKey][2]int16

// need is nil if the broker speaks the version.
func (v versions) need(api protocol.ApiKey, version int16) error {
	span, ok := v[api]
	if !ok {
		return &VersionError{API: api, Need: version, Has: -1}
	}
	if version < span[0] || version > span[1] {
		return &VersionError{API: api, Need: version, Least: span[0], Has: span[1]}
	}
	return nil
}

// askVersions asks on the connection on which the answer is going to matter. It
// costs those requests a round trip that are rare; Fetch and Produce are not
// among them.
func askVersions(c *Client, rw io.ReadWriter) (versions, error) {
	x := exchange{api: protocol.ApiVersions}
	if err := x.run(c, rw); err != nil {
		return nil, err
	}
	return decodeVersions(x.body)
}

func decodeVersions(b []byte) (versions, error) {
	d := decoder{b: b}
	err := codeError(d.int16())
	v := make(versions)
	for n := d.array(6); n > 0; n-- {
		api := protocol.ApiKey(d.int16())
		v[api] = [2]int16{d.int16(), d.int16()}
	}
	if end := d.end(); end != nil {
		return nil, end
	}
	return v, err
}

// Supported asks a broker whether it speaks all that this package does. If not,
// the error has a *VersionError for every request that it lacks.
func (c *Client) Supported(ctx context.Context) error {
	x := &exchange{api: protocol.ApiVersions, prepare: func(spoken versions) error {
		return errors.Join(
			spoken.need(protocol.Fetch, fetchVersion),
			spoken.need(protocol.Produce, produceVersion),
			spoken.need(protocol.ListOffsets, listOffsetsVersion),
			spoken.need(protocol.Metadata, metadataVersion),
			spoken.need(protocol.OffsetFetch, offsetFetchVersion),
		)
	}}
	_, err := c.do(ctx, x, anywhere(), 0)
	return err
}
