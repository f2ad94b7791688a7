//go:build afalg && !linux

package kernelaead

// The tag afalg is for Linux: a build for another system must not compile.
var _ = theTagAFALGNeedsLinux
