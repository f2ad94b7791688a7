package pipeline

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		o    Options
		want string // in the error; "" for none
	}{
		{Options{}, ""},
		{Options{Workers: 1, Budget: minBudget, ReadAhead: 1, Grace: time.Nanosecond}, ""},
		{Options{Workers: maxWorkers, Budget: 1 << 30, ReadAhead: math.MaxInt}, ""},
		{Options{Workers: -1}, "workers must not be negative"},
		{Options{Workers: maxWorkers + 1}, "workers: 65537 are more than 65536"},
		{Options{Budget: -1}, "budget: -1 bytes are below 65536"},
		{Options{Budget: 1}, "budget: 1 bytes are below 65536"},
		{Options{Budget: math.MaxInt}, "are above"},
		{Options{ReadAhead: -1}, "read-ahead must not be negative"},
		{Options{Grace: -1}, "grace must not be negative"},
	} {
		err := tc.o.Check()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, want %q", tc.o, err, tc.want)
		}
		if tc.want == "" && Memory(tc.o, 1, 0) <= 0 {
			t.Errorf("%+v: the memory is %d bytes", tc.o, Memory(tc.o, 1, 0))
		}
	}
}
