package ops

import (
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

var (
	keyStates     = []string{kekcache.Normal.String(), kekcache.Degraded.String(), kekcache.Restricted.String()}
	breakerStates = []string{guard.Closed.String(), guard.HalfOpen.String(), guard.Open.String()}
)

// sendKeys sends the metrics of keys. A key is named by its kid, which is no
// secret.
func (s *sender) sendKeys(w *watch.Route) {
	for _, k := range w.Keys() {
		side := string(k.Side)
		s.sendWord(descKeyState, k.State.String(), keyStates, side, k.Context)
		for event, n := range k.Events {
			s.count(descKeyEvents, n, side, k.Context, string(event))
		}
		s.count(descSealed, int64(k.Messages), side, k.Context)
		s.count(descSealedSize, int64(k.Bytes), side, k.Context)
	}
	for _, c := range w.Calls() {
		labels := []string{string(c.Side), c.Op, c.Key, string(c.Outcome)}
		s.count(descCalls, c.Calls, labels...)
		s.seconds(descCallTime, c.Took.Seconds(), labels...)
	}
	for _, b := range w.Breakers() {
		s.sendWord(descBreaker, b.State.String(), breakerStates, b.Key)
		s.count(descRefused, b.Refused, b.Key)
		s.count(descDelayed, b.Delayed, b.Key)
		s.seconds(descWaited, b.Waited.Seconds(), b.Key)
	}
}
