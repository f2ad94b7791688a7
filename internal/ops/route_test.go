package ops

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAwayTooLong: brokers that are restarted are waited for; those that stay
// away make the route unready until they are back.
func TestAwayTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := busyRoute()
		r.Watch.ChangeConnection(false, errors.New("broken"))
		time.Sleep(awayBound)
		if against := r.reasonsAgainst(); len(against) != 0 {
			t.Errorf("at the bound: %q", against)
		}
		time.Sleep(time.Second)
		if against := r.reasonsAgainst(); len(against) != 1 || !strings.HasPrefix(against[0], "brokers have been away since ") {
			t.Errorf("behind it: %q", against)
		}
		r.Watch.ChangeConnection(true, nil)
		if against := r.reasonsAgainst(); len(against) != 0 {
			t.Errorf("back: %q", against)
		}
	})
}
