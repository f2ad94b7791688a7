package membership

import "time"

// silence is since when no heartbeat has been answered. It is used by the
// goroutine that sends them.
type silence struct {
	since, told time.Time
}

// silenceReminder is how often people are told of a silence.
const silenceReminder = time.Minute

// noteSilence notes a heartbeat that was not answered. A silence of a session
// stops all reading and writing until it ends, so people are told of it, and of
// the reason: it may be theirs to mend, such as a certificate that the broker
// refuses.
func (m *Member) noteSilence(err error) {
	s, now := &m.silence, time.Now()
	if s.since.IsZero() {
		s.since = now
	}
	if now.Sub(s.since) < m.Session || !s.told.IsZero() && now.Sub(s.told) < silenceReminder {
		return
	}
	s.told = now
	m.Log.Warn("kafka: the group's coordinator cannot be asked, and nothing is read or written until it can",
		"group", m.Group, "waited", now.Sub(s.since).Round(time.Second), "error", err)
}

// endSilence notes an answer.
func (m *Member) endSilence() {
	if !m.silence.told.IsZero() {
		m.Log.Info("kafka: the group's coordinator answers again", "group", m.Group)
	}
	m.silence = silence{}
}
