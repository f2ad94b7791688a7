package progress

import "time"

// recent measures how fast the work has been in the last seconds. A rate since
// the beginning would tell of a start that is long gone.
type recent struct{ samples []sample }

type sample struct {
	at   time.Time
	done int64
}

// recentTime is how long a sample counts.
const recentTime = 15 * time.Second

// addSample notes how far the work is.
func (r *recent) addSample(at time.Time, done int64) {
	r.samples = append(r.samples, sample{at, done})
	for len(r.samples) > 2 && at.Sub(r.samples[0].at) > recentTime {
		r.samples = r.samples[1:]
	}
}

// perSecond returns the rate between the first sample that counts and the last
// one.
func (r *recent) perSecond() float64 {
	if len(r.samples) < 2 {
		return 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	if took := last.at.Sub(first.at).Seconds(); took > 0 {
		return float64(last.done-first.done) / took
	}
	return 0
}

// left returns how long the rest takes at this rate; 0 if that is not known.
func (r *recent) left(s *State) time.Duration {
	rate := r.perSecond()
	if s.Total <= s.Done || rate <= 0 {
		return 0
	}
	return time.Duration(float64(s.Total-s.Done) / rate * float64(time.Second))
}
