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

type errResumable struct{}

func (errResumable) Error() string   { return "open" }
func (errResumable) Resumable() bool { return true }

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
		a.parkPlace(at, errResumable{})
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
		a.parkPlace(at, errResumable{})
		if time.Sleep(2 * lastRetry); isDue() {
			t.Error("due again after the trial has failed")
		}
	})
}
