package stopping

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignals sends signals after these waits and sees which of them end the
// work and which end the process.
func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		waits []time.Duration
		want  []string
	}{
		"one":                        {[]time.Duration{0}, []string{"first"}},
		"two at once":                {[]time.Duration{0, 0}, []string{"first"}},
		"two within a second":        {[]time.Duration{0, Same}, []string{"first"}},
		"many within a second":       {[]time.Duration{0, Same / 3, Same / 3, Same / 3}, []string{"first"}},
		"a later one":                {[]time.Duration{0, Same + 1}, []string{"first", "again"}},
		"the second is counted from": {[]time.Duration{0, Same * 2 / 3, Same * 2 / 3}, []string{"first", "again"}},
		"a long time before it":      {[]time.Duration{time.Hour, 0, time.Hour}, []string{"first", "again"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				note := func(what string) func(os.Signal) {
					return func(sig os.Signal) {
						if sig != syscall.SIGTERM {
							t.Errorf("signal %v", sig)
						}
						got = append(got, what)
					}
				}
				signals := make(chan os.Signal)
				go func() {
					defer close(signals)
					for _, wait := range c.waits {
						time.Sleep(wait)
						signals <- syscall.SIGTERM
					}
				}()
				New(note("first"), note("again")).HandleAll(signals)
				if !slices.Equal(got, c.want) {
					t.Errorf("%v, want %v", got, c.want)
				}
			})
		})
	}
}
