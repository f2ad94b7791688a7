package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// owner is the one who commits the offsets of a lane: a member of the group,
// whose identity changes from round to round, or always the same.
type owner struct {
	member *membership.Member // nil if it is always the same
	fixed  cluster.Owner
}

func fixedOwner(o cluster.Owner) *owner { return &owner{fixed: o} }

// identity returns the identity to commit with now.
func (o *owner) identity() cluster.Owner {
	if o.member == nil {
		return o.fixed
	}
	return cluster.Owner(o.member.Identity())
}

// group returns the group's name; empty if nothing is committed.
func (o *owner) group() string { return o.identity().Group }

// isMember tells whether brokers fence this owner when it loses its partitions.
func (o *owner) isMember() bool { return o.member != nil || o.fixed.Generation >= 0 }

// awaitLease returns a context that ends when the partitions may be another's.
func (o *owner) awaitLease(ctx context.Context) (context.Context, error) {
	if o.member == nil {
		return ctx, nil
	}
	return o.member.AwaitLease(ctx)
}

// confirm asks the group's coordinator whether this process is still a member.
// A process that finds its transactions fenced asks before it fences in its
// turn: another process of its name may have taken over.
func (o *owner) confirm(ctx context.Context) error {
	if o.member == nil {
		return nil
	}
	return o.member.Probe(ctx)
}

// maxRenewals is how many times one commit is sent under another identity.
const maxRenewals = 5

// codeStaleEpoch says that the member's epoch is outdated. kafka-go has no name
// for it.
const codeStaleEpoch = kafkago.Error(113)

// commitAs sends a commit of offsets, and sends it again under the identity of
// the next round if one has outdated the first. A member that has lost the
// partitions sends nothing: brokers take a commit without a generation for that
// of a user who is no member, and do not fence it.
func (o *owner) commitAs(
	ctx context.Context, offsets []cluster.Offset, send func(cluster.Owner) error,
) error {
	as := o.identity()
	var partitions []membership.Partition
	if o.member != nil {
		partitions = partitionsOf(offsets)
	}
	for renewals := 0; ; renewals++ {
		if o.member != nil && (as.Generation < 0 || !o.member.Holds(partitions)) {
			return errNotHeld
		}
		err := send(as)
		if err == nil || o.member == nil {
			return err
		}
		outdated := errors.Is(err, kafkago.IllegalGeneration) || errors.Is(err, kafkago.RebalanceInProgress) ||
			errors.Is(err, codeStaleEpoch)
		if !outdated || renewals == maxRenewals {
			o.member.RequestProbe() // the cause may be that another one is the member now
			return err
		}
		next, renewing := o.member.Renew(ctx, membership.Identity(as), partitions)
		switch {
		case errors.Is(renewing, membership.ErrNotHeld):
			return fmt.Errorf("%w: %w", pipeline.ErrLost, err)
		case renewing != nil:
			return fmt.Errorf("%w (%w)", renewing, err)
		}
		as = cluster.Owner(next)
	}
}

// errNotHeld says that nothing may be committed of some partitions any more.
var errNotHeld = fmt.Errorf("%w: partitions are not held any more", pipeline.ErrLost)

func partitionsOf(offsets []cluster.Offset) []membership.Partition {
	partitions := make([]membership.Partition, len(offsets))
	for i := range offsets {
		partitions[i] = membership.Partition{Topic: offsets[i].Topic, Number: offsets[i].Partition}
	}
	return partitions
}
