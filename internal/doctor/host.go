package doctor

import (
	"crypto/fips140"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// Host is the machine and this process on it. Tests give another one.
type Host struct {
	// Root is the root of the file system: /proc and /sys are read from it.
	Root fs.FS
	// Now is the clock of this machine.
	Now func() time.Time
	// DrawRandom fills a buffer with random bytes, or returns an error if the
	// system's generator is not ready.
	DrawRandom func([]byte) error
	// FIPS says that the cryptographic module runs in FIPS 140 mode.
	FIPS bool
	// KernelEngine says that this build can seal through the kernel, and
	// TryKernel tries whether the kernel does; it is not called otherwise.
	KernelEngine bool
	TryKernel    func() error
	// System is the kind of operating system, as runtime.GOOS.
	System string
	// AllowCore says that the user allows dumps.
	AllowCore bool
}

// NewHost returns the machine that this process runs on. tryKernel is nil in a
// build that cannot seal through the kernel.
func NewHost(tryKernel func() error) *Host {
	return &Host{
		Root: os.DirFS("/"), Now: time.Now, DrawRandom: drawReady, FIPS: fips140.Enabled(),
		KernelEngine: tryKernel != nil, TryKernel: tryKernel, System: runtime.GOOS,
	}
}

// CheckHost runs the checks that need no route.
func (h *Host) CheckHost() []findings.Line {
	lines := []findings.Line{
		h.checkAES(), h.measureAES(), h.checkEntropy(), h.checkFIPS(), h.checkKernelEngine(),
	}
	if h.System != "linux" {
		return append(lines, h.line(Descriptors, findings.OK,
			"limits, dumps and swap are looked at on Linux only", ""))
	}
	return append(lines, h.checkDescriptors(), h.checkMemoryLock(), h.checkCoreDumps(), h.checkSwap())
}

// line returns a line about the host.
func (h *Host) line(check string, level findings.Level, found, remedy string) findings.Line {
	if level == findings.OK {
		remedy = ""
	}
	return findings.Line{Check: check, Subject: "host", Level: level, Found: found, Remedy: remedy}
}

// readText returns the content of a small file of the system without the space
// around it; "" if it cannot be read.
func (h *Host) readText(name string) string {
	text, err := fs.ReadFile(h.Root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
