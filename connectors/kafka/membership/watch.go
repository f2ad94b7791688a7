package membership

import (
	"context"
	"time"
)

// patience is how many looks in a row a topic may be missing before it counts
// as deleted: a broker that has just started may not know it yet.
const patience = 6

// watchTopics has the group deal again when a topic grows, appears or goes, and
// when a member has not released partitions in time, for as long as this member
// leads.
func (m *Member) watchTopics(ctx context.Context) {
	ticker := time.NewTicker(m.Watch)
	defer ticker.Stop()
	missing := 0
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		leading, planned := m.leading && !m.joining, m.planned
		overdue := m.waiting > 0 && time.Since(m.dealtAt) > m.Rebalance
		m.mu.Unlock()
		if !leading {
			missing = 0
			continue
		}
		if overdue {
			m.requestRejoin("partitions were not released in time")
			continue
		}
		limited, cancel := context.WithTimeout(ctx, m.Watch)
		counts, err := m.Layout.CountPartitions(limited, m.matchTopics(limited))
		cancel()
		if err != nil {
			continue // the next look tells more
		}
		grown, gone := compareCounts(planned, counts)
		if missing++; !gone {
			missing = 0
		}
		switch {
		case grown:
			m.requestRejoin("partitions were added")
		case missing >= patience:
			m.requestRejoin("a topic was deleted")
			missing = 0
		}
	}
}

// matchTopics returns the names to read, and remembers them for the next round.
func (m *Member) matchTopics(ctx context.Context) []string {
	if m.Match == nil {
		return m.Topics
	}
	ctx, cancel := context.WithTimeout(ctx, m.Watch)
	defer cancel()
	names, err := m.Match(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.Log.Debug("kafka: the topics of the group were not listed", "group", m.Group, "error", err)
		return m.names
	}
	m.names = names
	return names
}

// compareCounts tells whether there are more partitions than planned, and
// whether some are gone.
func compareCounts(planned, now map[string]int32) (grown, gone bool) {
	for topic, n := range now {
		grown = grown || n > planned[topic]
	}
	for topic, n := range planned {
		gone = gone || now[topic] < n
	}
	return grown, gone
}
