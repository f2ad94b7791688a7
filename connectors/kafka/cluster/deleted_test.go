package cluster

import (
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// TestAbsencesAreCountedAnew: a topic whose offsets could be committed again
// was not deleted, and an absence much later does not count from the first.
func TestAbsencesAreCountedAnew(t *testing.T) {
	t.Parallel()
	c := new(Cluster)
	c.deleted.since = map[string]time.Time{"back": time.Now().Add(-time.Hour), "away": time.Now().Add(-time.Hour)}
	if err := c.ForgiveDeleted(t.Context(), "back", nil); err != nil {
		t.Error(err)
	}
	if err := c.ForgiveDeleted(t.Context(), "away", kafkago.RebalanceInProgress); err != kafkago.RebalanceInProgress {
		t.Errorf("got %v", err)
	}
	if _, known := c.deleted.since["back"]; known || len(c.deleted.since) != 1 {
		t.Errorf("absences %v", c.deleted.since)
	}
}
