package pipeline

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestTrialOfLaneThatEnded: a place whose trial was begun by a lane that had
// failed already is tried again by the next lane, and so is the place when it
// stands still another time.
func TestTrialOfLaneThatEnded(t *testing.T) {
	for name, next := range map[string]int64{"not committed": 5, "committed": 6} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := NewAssignment("a")
				defer a.release()
				park := func(at int64) {
					a.parkPlace(Position{Place: "a", Next: at}, Passing(errors.New("away")))
				}
				isDue := func() bool {
					time.Sleep(2 * lastRetry)
					_, due := a.Due("a")
					return due
				}
				park(5)
				if !isDue() {
					t.Fatal("not tried at all")
				}
				a.parkAll(Passing(errors.New("away")))
				a.Try("a")
				a.begin(nil, []Position{{Place: "a", Next: next}})
				if next == 6 {
					park(6)
				}
				if !isDue() {
					t.Error("never tried again")
				}
			})
		})
	}
}

// TestResumedTrialOfLaneThatEnded: a place that a person has resumed is tried
// again when its lane is lost during the trial.
func TestResumedTrialOfLaneThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAssignment("a")
		defer a.release()
		at := Position{Place: "a", Next: 5}
		isDue := func() bool {
			_, due := a.Due("a")
			return due
		}
		a.parkPlace(at, resumableError{})
		if time.Sleep(2 * lastRetry); isDue() {
			t.Fatal("due before somebody has resumed it")
		}
		a.resume()
		a.Try("a")
		a.begin(nil, []Position{at})
		if isDue() {
			t.Error("tried again without a wait")
		}
		if time.Sleep(2 * lastRetry); !isDue() {
			t.Error("the person has to resume again")
		}
		a.Try("a")
		a.parkPlace(at, resumableError{})
		if time.Sleep(2 * lastRetry); isDue() {
			t.Error("due again after the trial has failed")
		}
	})
}

// resumableError is what places are parked for until a person resumes.
type resumableError struct{}

func (resumableError) Error() string   { return "enough" }
func (resumableError) Resumable() bool { return true }

// TestResumedPlaceMoves: a lane with an end is not at its end, nor the run,
// from when its only place is resumed until the place stands still again.
func TestResumedPlaceMoves(t *testing.T) {
	a := NewAssignment("a")
	defer a.release()
	moves := func(when string, want bool) {
		t.Helper()
		if _, moving := a.listParked(); moving != want || a.AllParked() == want {
			t.Errorf("%s: moving %v, all parked %v", when, moving, a.AllParked())
		}
	}
	park := func() { a.parkPlace(Position{Place: "a", Next: 5}, resumableError{}) }
	moves("at first", true)
	park()
	moves("parked", false)
	a.resume()
	moves("resumed", true)
	park()
	moves("parked again", false)
	a.resume()
	a.NoteEmpty("a")
	moves("going on", true)
	park()
	moves("parked for the third time", false)
}

// TestBeginningOfPlaceWithoutTrial: a place that goes on with no message to try
// it with begins where it stood, once, and not where that is not known or where
// it stands still again.
func TestBeginningOfPlaceWithoutTrial(t *testing.T) {
	for name, tc := range map[string]struct {
		next        int64
		again, want bool
	}{"known": {5, false, true}, "not known": {-1, false, false}, "parked again": {5, true, false}} {
		a := NewAssignment("a")
		park := func() { a.parkPlace(Position{Place: "a", Next: tc.next}, resumableError{}) }
		park()
		a.resume()
		a.NoteEmpty("a")
		if tc.again {
			park()
			a.places["a"].goOn()
		}
		if at, ok := a.takeAgain("a"); ok != tc.want || ok && at.Next != tc.next {
			t.Errorf("%s: @%d, %v", name, at.Next, ok)
		}
		if _, ok := a.takeAgain("a"); ok {
			t.Errorf("%s: a second time", name)
		}
		a.release()
	}
}
