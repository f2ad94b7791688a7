package file

import (
	"slices"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// LoadPosition returns the position of a place, if the checkpoint has one.
func (c *Checkpoint) LoadPosition(place string) (pipeline.Position, bool) { return c.positionOf(place) }

// SavePositions notes positions and returns when they are durable, and before
// them the output that they belong to. It is for a Source of another package,
// which acknowledges messages after it. Positions that a Sink has noted already
// cost nothing. An error that may pass is marked for the pipeline.
func (c *Checkpoint) SavePositions(places []pipeline.Position) error {
	if err := c.NotePositions(places); err != nil {
		return err
	}
	return markPassing(c.flushChanges())
}

// NotePositions is SavePositions that returns at once: the positions are
// durable after a tenth of a second, or when SavePositions or Close returns. It
// is for a Source that acknowledges nothing.
func (c *Checkpoint) NotePositions(places []pipeline.Position) error {
	if c.holdsAll(places) {
		return nil
	}
	return markPassing(c.noteChange(func(r *content) { r.setPlaces(places) }))
}

// holdsAll tells whether the positions are those that are noted.
func (c *Checkpoint) holdsAll(places []pipeline.Position) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range places {
		p := &places[i]
		if !slices.ContainsFunc(c.now.Places, func(have placeEntry) bool {
			return have.Place == p.Place && have.Next == p.Next && have.Last == p.Last &&
				string(have.State) == string(p.State)
		}) {
			return false
		}
	}
	return true
}
