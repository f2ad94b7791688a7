//go:build goexperiment.runtimesecret

package secret

import (
	"runtime/secret"
	"testing"
)

// TestDoIsSecret: the build that promises erasure runs the code under it.
func TestDoIsSecret(t *testing.T) {
	Do(func() {
		if !secret.Enabled() {
			t.Error("not under runtime/secret")
		}
	})
	if secret.Enabled() {
		t.Error("still under runtime/secret")
	}
}
