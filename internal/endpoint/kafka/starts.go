package kafka

import (
	"context"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/checkpoint"
)

// useCheckpoint has the source go on where the checkpoint of the route says.
func (t *topic) useCheckpoint(s *endpoint.Session, in *endpoint.Source) error {
	if !t.keepsCheckpoint() {
		return nil
	}
	kept, err := checkpoint.Open(s, in.Name, s.To)
	if kept != nil {
		in.Source.(*connector.Source).Checkpoint = kept
	}
	return err
}

// keepsCheckpoint tells whether a checkpoint can keep how far the source was
// read: of one topic, of which a group keeps nothing.
func (t *topic) keepsCheckpoint() bool {
	return t.as == endpoint.From && t.group == "" && !t.reads.MayBeSeveral()
}

// tellStarts tells the route where the source begins without a position.
func (t *topic) tellStarts(source *connector.Source, in *endpoint.Source) {
	if t.group != "" {
		in.Keeper = "group " + t.group
	}
	if t.group == "" && !t.start.Sealed {
		in.BeginsAnew = source.UnkeptPlaces
	}
	switch {
	case t.start.Sealed:
		in.FreshPlaces = source.FreshPlaces
		in.UseSealed = func(find func(context.Context, string) (int64, error)) { source.FindSealed = find }
	case !t.chosen:
		in.FreshPlaces = source.FreshPlaces
	}
}
