// Package doctor has the checks of streamcrypt doctor: each finds out one thing
// that goes wrong in the field, and makes a findings.Line of it with the
// remedy.
//
//	doctor.go   the interfaces of ends and keys that bring checks of their
//	            own, and the list of all checks
//	host.go     Host: the machine, as its checks read it
//	limits.go   checks of limits: descriptors, locked memory, dumps, swap
//	crypto.go   checks of the processor, of randomness, FIPS and AF_ALG
//	memory.go   the memory of a route against the cgroup and the machine
//	parts.go    lines of a look at an end or a key: reach, rights, settings
//	clock.go    clocks of services, and how long they take to answer
//	sharing.go  KEKs and names that several routes have in common
//	auditlog.go the audit log
//
// The package must not know any kind of end or key, nor how lines are shown. It
// changes nothing.
package doctor

import (
	"context"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// Check is an end that brings checks of its own, beside those of
// endpoint.Checker. They come later than those, in the same session.
type Check interface {
	Check(ctx context.Context, s *endpoint.Session) []findings.Line
}

// Needs is an end or a key that says which rights it takes.
type Needs interface {
	Needs() []findings.Need
}

// Clock is a service that tells its time.
type Clock interface {
	// AskTime asks for the time of the service. resolution is how exactly it
	// is told. An error says that it was not told.
	AskTime(ctx context.Context) (told time.Time, resolution time.Duration, err error)
}

// Birth is a key that tells since when it is in use, as far as that is known.
type Birth interface {
	ReadBirth(ctx context.Context) (time.Time, error)
}

// The names of the checks.
const (
	Configuration   = "configuration"
	AES             = "aes"
	AESSpeed        = "aes-speed"
	Entropy         = "entropy"
	FIPS            = "fips"
	AFALG           = "af-alg"
	Memory          = "memory"
	Descriptors     = "descriptors"
	MemoryLock      = "memory-lock"
	CoreDumps       = "core-dumps"
	Swap            = "swap"
	Reach           = "reach"
	Version         = "version"
	Rights          = "rights"
	Settings        = "settings"
	MessageSize     = "message-size"
	DuplicateWindow = "duplicate-window"
	ClockSkew       = "clock"
	KeyReach        = "key-reach"
	KeyRights       = "key-rights"
	KeyLatency      = "key-latency"
	KeyAge          = "key-age"
	KeyShared       = "key-shared"
	SameName        = "same-name"
	AuditLog        = "audit-log"
)

// Names lists the checks in the order in which they are shown.
func Names() []string {
	return []string{
		Configuration, AES, AESSpeed, Entropy, FIPS, AFALG, Memory, Descriptors, MemoryLock, CoreDumps, Swap,
		Reach, Version, Rights, Settings, MessageSize, DuplicateWindow, ClockSkew,
		KeyReach, KeyRights, KeyLatency, KeyAge, KeyShared, SameName, AuditLog,
	}
}

// FindWorst returns the most serious level among lines, findings.OK without
// any.
func FindWorst(lines []findings.Line) findings.Level {
	worst := findings.OK
	for i := range lines {
		switch lines[i].Level {
		case findings.Fail:
			return findings.Fail
		case findings.Warn:
			worst = findings.Warn
		case findings.OK:
		}
	}
	return worst
}
