package guard

import (
	"errors"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
)

// settleTime is for how long a service that is spread over many machines may
// not know a key that it knew, or will know.
const settleTime = 30 * time.Second

// Unknown marks the cause of an error, in a *keys.Error, as one that passes by
// itself if it is new: the service does not know a key, or credentials, perhaps
// not yet. Before the key was ever used it is Gone, so that a name that is
// wrong is an error at once. Later it is Away until it has been unknown for 30
// seconds in a row, and then Gone.
func Unknown(err error) error { return &unknown{err} }

type unknown struct{ err error }

func (e *unknown) Error() string { return e.err.Error() }
func (e *unknown) Unwrap() error { return e.err }

// register notes which keys are known to the service. The keys are configured
// ones and those behind configured aliases.
type register struct {
	mu   sync.Mutex
	keys map[string]*standing
}

// standing says how well a service knows a key.
type standing struct {
	used    bool      // it was known once
	missing time.Time // since when it is unknown; zero if it is known
}

// judge returns err with the class that an unknown key has by now, and notes
// that the key is known, or not.
func (r *register) judge(key string, err error, now time.Time) error {
	var e *keys.Error
	if err != nil && (!errors.As(err, &e) || e.Class == keys.Away) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.keys[key]
	if s == nil {
		s = &standing{}
		r.keys[key] = s
	}
	if e == nil || !errors.As(e.Err, new(*unknown)) {
		s.used = s.used || e == nil || e.Class == keys.BadWrap
		s.missing = time.Time{}
		return err
	}
	if s.missing.IsZero() {
		s.missing = now
	}
	judged := *e
	judged.Class = keys.Gone
	if s.used && now.Sub(s.missing) < settleTime {
		judged.Class = keys.Away
	}
	return &judged
}
