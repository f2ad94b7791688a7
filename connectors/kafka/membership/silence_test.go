package membership

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestSilence: a coordinator that cannot be asked for a session is told of,
// with the reason, each minute, and when it answers again. A shorter silence
// is daily business.
func TestSilence(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		var log bytes.Buffer
		keep := logger
		logger = slog.New(slog.NewTextHandler(&log, nil))
		defer func() { logger = keep }()
		c, l := newCoordinator(t), topic(2)
		x := b.start(c, l, Options{})
		pass(10 * time.Second)
		x.link.setCut(true)
		pass(8 * time.Second) // less than a session
		x.link.setCut(false)
		pass(10 * time.Second)
		if strings.Contains(log.String(), "cannot be asked") {
			t.Errorf("a short silence: %s", log.String())
		}
		x.link.setCut(true)
		pass(2*time.Minute + 30*time.Second)
		x.link.setCut(false)
		pass(20 * time.Second)
		text := log.String()
		if n := strings.Count(text, "level=WARN msg=\"kafka: the group's coordinator cannot be asked"); n != 3 {
			t.Errorf("it was said %d times", n)
		}
		if strings.Count(text, "answers again") != 1 || !strings.Contains(text, "error=") {
			t.Errorf("%s", text)
		}
		x.leave()
	})
}
