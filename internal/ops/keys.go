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

// eventsOf are the events of each side. They are shown before the first one
// happens, so that an alert sees it.
var eventsOf = map[kekcache.Side][]kekcache.Op{
	kekcache.Sealing:    {kekcache.OpWindowOpened, kekcache.OpWindowClosed},
	kekcache.Opening:    {kekcache.OpUnwrapped, kekcache.OpUnwrapRefused},
	kekcache.Rewrapping: {kekcache.OpRewrapped, kekcache.OpUnwrapped, kekcache.OpUnwrapRefused},
}

// sendKeys sends the metrics of keys. A key is named by its kid, which is no
// secret.
func (s *sender) sendKeys(w *watch.Route) {
	for _, k := range w.Keys() {
		side := string(k.Side)
		s.sendWord(descKeyState, k.State.String(), keyStates, side, k.Context)
		for _, event := range eventsOf[k.Side] {
			s.count(descKeyEvents, k.Events[event], side, k.Context, string(event))
		}
		s.count(descSealed, int64(k.Messages), side, k.Context)
		s.count(descSealedSize, int64(k.Bytes), side, k.Context)
		s.sendHistogram(descKeyAges, &k.Ages, side, k.Context)
		s.sendHistogram(descKeyUses, &k.Uses, side, k.Context)
		if n := k.OpenKeys(); n > 0 {
			s.gauge(descKeyAge, secondsSince(k.Opened), side, k.Context)
		}
	}
	for _, c := range w.CallTimes() {
		s.sendHistogram(descCallTimes, &c.Seconds, string(c.Side), c.Op, string(c.Outcome))
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
