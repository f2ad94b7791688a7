package doctor

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

func (h *Host) checkAES() findings.Line {
	has := cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
		h.System == "darwin" // all of its processors have it
	if info := h.readText("proc/cpuinfo"); info != "" {
		has = hasFlag(info, "aes") && (hasFlag(info, "pclmulqdq") || hasFlag(info, "pmull"))
	}
	if has {
		return h.line(AES, findings.OK, "the processor has instructions for AES-GCM", "")
	}
	return h.line(AES, findings.Warn,
		"the processor has no instructions for AES-GCM, or the virtual machine hides them: sealing is much slower",
		"give the virtual machine the host's processor model (qemu: -cpu host)")
}

// hasFlag looks for a word in the rows of features of /proc/cpuinfo.
func hasFlag(info, flag string) bool {
	for line := range strings.Lines(info) {
		name, words, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !found || name != "flags" && name != "Features" {
			continue
		}
		for word := range strings.FieldsSeq(words) {
			if word == flag {
				return true
			}
		}
		return false // all processors have the same
	}
	return false
}

const (
	speedBlock = 64 << 10              // bytes sealed at a time, as a chunk
	speedTime  = 50 * time.Millisecond // of one measurement
	speedMost  = 1 << 12               // blocks at most, for a clock that stands still
	slowSpeed  = 0.3                   // GB/s of one processor, below which it has no help
)

// measureAES seals for a moment with one processor.
func (h *Host) measureAES() findings.Line {
	speed, err := h.measureSpeed()
	if err != nil {
		return h.line(AESSpeed, findings.Fail, "AES-256-GCM cannot be used: "+err.Error(), "run another build")
	}
	found := fmt.Sprintf("%.2f GB/s of AES-256-GCM with one processor", speed)
	if speed < slowSpeed {
		return h.line(AESSpeed, findings.Warn, found,
			"look at the line aes; or the machine is busy, or its share of the processor is small (cpu.max)")
	}
	return h.line(AESSpeed, findings.OK, found, "")
}

func (h *Host) measureSpeed() (gigabytes float64, err error) {
	// The key and the nonces are of zeros: nothing that matters is sealed.
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return 0, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return 0, err
	}
	plaintext, out := make([]byte, speedBlock), make([]byte, 0, speedBlock+aead.Overhead())
	begun, took, n := h.Now(), time.Duration(0), 0
	for n < speedMost && took < speedTime {
		aead.Seal(out, nil, plaintext, nil) //nolint:gosec // the cipher draws the nonce
		n++
		took = h.Now().Sub(begun)
	}
	return float64(n) * speedBlock / 1e9 / max(took.Seconds(), 1e-9), nil
}

// fewBits is below the number of bits that a generator of the last ten years
// reports once it is ready.
const fewBits = 128

func (h *Host) checkEntropy() findings.Line {
	const remedy = "wait until the machine has collected some, or give the virtual machine a virtio-rng device"
	if err := h.DrawRandom(make([]byte, 32)); err != nil {
		return h.line(Entropy, findings.Fail, "the system's random generator is not ready: "+err.Error(), remedy)
	}
	text := h.readText("proc/sys/kernel/random/entropy_avail")
	bits, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return h.line(Entropy, findings.OK, "the system's random generator is ready", "")
	case bits < fewBits:
		return h.line(Entropy, findings.Warn, fmt.Sprintf("the system reports %d bits of entropy", bits), remedy)
	}
	return h.line(Entropy, findings.OK,
		fmt.Sprintf("the system's random generator is ready, with %d bits of entropy", bits), "")
}

func (h *Host) checkFIPS() findings.Line {
	machine := h.readText("proc/sys/crypto/fips_enabled") == "1"
	switch {
	case machine && !h.FIPS:
		return h.line(FIPS, findings.Warn, "the machine is in FIPS mode, and this program is not",
			"run with GODEBUG=fips140=on and --nonce random, or use a build with GOFIPS140")
	case h.FIPS:
		return h.line(FIPS, findings.OK, "the cryptographic module runs in FIPS 140 mode", "")
	}
	return h.line(FIPS, findings.OK, "FIPS 140 mode is off", "")
}

// checkKernelEngine says whether sealing through the kernel is possible, and
// whether it could help.
func (h *Host) checkKernelEngine() findings.Line {
	driver := h.findKernelGCM()
	if !h.KernelEngine {
		found := "this build does not seal through the kernel"
		if isOffloaded(driver) {
			found += "; the kernel has " + driver + " for it, which may be worth a measurement (build tag afalg)"
		}
		return h.line(AFALG, findings.OK, found, "")
	}
	if err := h.TryKernel(); err != nil {
		return h.line(AFALG, findings.Fail,
			"this build seals through the kernel, which does not take part: "+err.Error(),
			"modprobe algif_aead, allow AF_ALG in the unit (RestrictAddressFamilies=), or use the usual build")
	}
	if !isOffloaded(driver) {
		return h.line(AFALG, findings.Warn,
			"this build seals through the kernel, which uses the same instructions as the program would: "+driver,
			"use the usual build, unless you have measured that it helps")
	}
	return h.line(AFALG, findings.OK, "sealing goes through the kernel's "+driver, "")
}

// findKernelGCM returns the driver that the kernel prefers for gcm(aes), "" if
// none is loaded.
func (h *Host) findKernelGCM() string {
	best, driver := -1, ""
	for section := range strings.SplitSeq(h.readText("proc/crypto"), "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(section) {
			name, value, _ := strings.Cut(line, ":")
			fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		priority, err := strconv.Atoi(fields["priority"])
		if fields["name"] == "gcm(aes)" && err == nil && priority > best {
			best, driver = priority, fields["driver"]
		}
	}
	return driver
}

// isOffloaded tells by its name whether a driver of the kernel is that of a
// device, and not code for the processor.
func isOffloaded(driver string) bool {
	if driver == "" {
		return false
	}
	for _, word := range []string{"generic", "aesni", "vaes", "avx", "gcm_base", "neon", "-ce", "ce-"} {
		if strings.Contains(driver, word) {
			return false
		}
	}
	return true
}
