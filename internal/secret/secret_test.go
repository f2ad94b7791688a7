package secret

import "testing"

func TestDo(t *testing.T) {
	called := 0
	Do(func() { called++ })
	defer func() {
		if p := recover(); p != "bug" || called != 1 {
			t.Errorf("called %d times, panic %v", called, p)
		}
	}()
	Do(func() { panic("bug") })
}
