//go:build !linux

package deploy

import "testing"

// dialAs is for Linux, as the rules are.
func dialAs(t *testing.T, _ uint32) []string {
	t.Helper()
	skipWithout(t, "Linux")
	return nil
}
