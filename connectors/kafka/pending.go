package kafka

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// pending holds the positions of the next commit, by partition.
type pending struct {
	at    map[string]*pipeline.Position // by place; kept from commit to commit
	moved []*pipeline.Position          // in order of their first move
	text  []byte
}

// addProgress notes the positions of done, which are lent.
func (p *pending) addProgress(done *pipeline.Progress) {
	for i := range done.Places {
		p.setEntry(p.entryOf(done.Places[i].Place), &done.Places[i])
	}
}

// addOlder notes the positions of older for places that have none yet.
func (p *pending) addOlder(older *pending) {
	for _, from := range older.moved {
		if to := p.entryOf(from.Place); to.Next < 0 {
			p.setEntry(to, from)
		}
	}
}

func (p *pending) entryOf(place string) *pipeline.Position {
	at := p.at[place]
	if at == nil {
		if p.at == nil {
			p.at = make(map[string]*pipeline.Position)
		}
		at = &pipeline.Position{Place: place, Next: -1}
		p.at[place] = at
	}
	return at
}

func (p *pending) setEntry(to, from *pipeline.Position) {
	if to.Next < 0 {
		p.moved = append(p.moved, to)
	}
	state := append(to.State[:0], from.State...)
	*to = *from
	to.State = state
}

func (p *pending) isEmpty() bool { return len(p.moved) == 0 }

// appendOffsets appends the positions in the brokers' form.
func (p *pending) appendOffsets(dst []cluster.Offset, e *epochs) ([]cluster.Offset, error) {
	for _, at := range p.moved {
		topic, partition, ok := cluster.SplitPlace(at.Place)
		if !ok {
			return nil, fmt.Errorf("kafka: %q is not a partition", at.Place)
		}
		var err error
		if p.text, err = cluster.AppendMetadata(p.text[:0], e.sourceHash(topic), at); err != nil {
			return nil, err
		}
		dst = append(dst, cluster.Offset{
			Topic: topic, Partition: partition, Next: at.Next, LeaderEpoch: e.at(at.Place, at.Next, true),
			Metadata: string(p.text),
		})
	}
	slices.SortStableFunc(dst, func(a, b cluster.Offset) int { return cmp.Compare(a.Topic, b.Topic) })
	return dst, nil
}

// clearMoved forgets the positions, since they are committed.
func (p *pending) clearMoved() {
	for _, at := range p.moved {
		at.Next = -1
	}
	p.moved = p.moved[:0]
}
