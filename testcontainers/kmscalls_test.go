package testcontainers

import (
	"bufio"
	"bytes"
	"encoding/base64"
	bigendian "encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// TestKMSCalls counts what KMS is asked, between the command and the emulator,
// and what the audit log has of it.
func TestKMSCalls(t *testing.T) {
	emulators(t, func(t *testing.T, e *emulator) {
		for name, test := range map[string]func(*account){
			"windows": kmsWindows, "unwraps": kmsUnwraps, "rewrap": kmsRewrapFile, "check": kmsCheck, "alias moves": kmsAliasMovesInARun,
		} {
			t.Run(name, func(t *testing.T) { test(newAccount(t, e)) })
		}
	})
}

// through is the account as it is seen through a proxy.
func (a *account) through(p *proxy) *account {
	e := *a.emulator
	e.endpoint = p.URL
	return &account{a.T, &e, a.ctx, a.admin}
}

func (a *account) url(key string) string {
	return fmt.Sprintf("awskms:%s?region=%s&endpoint=%s", key, a.region, a.endpoint)
}

// files are those of one test.
type files struct {
	*account
	dir string
}

func newFiles(a *account) *files { return &files{a, a.TempDir()} }

func (f *files) path(name string) string { return filepath.Join(f.dir, name) }

func (f *files) lines(name string, n int) (written []byte) {
	f.Helper()
	for i := range n {
		written = appendLine(written, i)
	}
	if err := os.WriteFile(f.path(name), written, 0o600); err != nil {
		f.Fatal(err)
	}
	return written
}

func appendLine(dst []byte, i int) []byte {
	return fmt.Appendf(dst, `{"key":"k%d","value":"plain %d","time":"2026-01-01T00:00:00Z"}`+"\n", i%10, i)
}

// run runs the command from one file to another.
func (f *files) run(command, from, to string, more ...string) {
	f.Helper()
	streamcrypt(f.ctx, f.T, append([]string{command, "--from", "file:" + f.path(from), "--to", "file:" + f.path(to)}, more...)...)
}

// refused runs the command, which must end with exit code 1 and write what is
// wanted.
func (f *files) refused(want, command, from, to string, more ...string) {
	f.Helper()
	e := exitOf(f.ctx, f.T, append([]string{command, "--from", "file:" + f.path(from), "--to", "file:" + f.path(to), "--overwrite"}, more...)...)
	if e.code != 1 || !strings.Contains(e.stderr, want) {
		f.Errorf("%s: exit %d, not for %s\n%s", command, e.code, want, e.stderr)
	}
}

// report is what keys check says, of which this is a part.
type report struct {
	Envelopes, Readable int
	KEKs                []struct {
		Name, Why string
		DataKeys  int `json:"data_keys"`
		Unwrapped int
	} `json:"keks"`
}

func (f *files) check(from string, more ...string) (r report) {
	f.Helper()
	args := append([]string{"keys", "check", "--json", "--from", "file:" + f.path(from)}, more...)
	out := exitOf(f.ctx, f.T, args...)
	if err := json.Unmarshal(out.stdout, &r); err != nil {
		f.Fatalf("%v\n%s", err, out.stderr)
	}
	if want := map[bool]int{true: 0, false: 1}[r.Envelopes == r.Readable]; out.code != want {
		f.Errorf("keys check: exit %d for %+v", out.code, r)
	}
	return r
}

// audited counts the operations in an audit log, once it has been verified.
func (f *files) audited(name string) map[string]int {
	f.Helper()
	streamcrypt(f.ctx, f.T, "keys", "audit", "verify", f.path(name))
	ops := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(readFile(f.T, f.path(name))))
	for lines.Scan() {
		var line struct{ Op, Why string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			f.Fatal(err)
		}
		if line.Op == "rewrapped" {
			line.Op += " " + line.Why
		}
		ops[line.Op]++
	}
	return ops
}

func (f *files) same(name string, want []byte) {
	f.Helper()
	if got := readFile(f.T, f.path(name)); !bytes.Equal(got, want) {
		f.Errorf("%s: %d bytes, not the %d that went in", name, len(got), len(want))
	}
}

// kmsUnwraps has KMS asked once for a data key, however many messages and
// workers need it.
func kmsUnwraps(a *account) {
	f, arn := newFiles(a), a.symmetric()
	plain := f.lines("in.ndjson", 30_000)
	sealing, opening := newProxy(a.T, a.endpoint), newProxy(a.T, a.endpoint)
	f.run("encrypt", "in.ndjson", "sealed.scx", "--key", a.through(sealing).url(arn), "--window-messages", "1000", "--workers", "4",
		"--budget", "100KiB", "--audit", f.path("seal.log"))
	f.run("decrypt", "sealed.scx", "out.ndjson", "--key", a.through(opening).url(arn), "--workers", "8", "--budget", "100KiB", "--audit", f.path("open.log"))
	f.same("out.ndjson", plain)

	deks := f.check("sealed.scx", "--key", a.url(arn)).KEKs[0].DataKeys
	made, sealed, opened := len(sealing.of("GenerateDataKey")), f.audited("seal.log"), f.audited("open.log")
	a.Logf("30,000 messages: %d data keys, %d GenerateDataKey, %d Decrypt by 8 workers", deks, made, len(opening.of("Decrypt")))
	// A call that was under way at the end may have been given up.
	if windows := sealed["window-opened"]; deks < 30 || windows < deks || made < windows || made > windows+1 || sealed["window-closed"] != windows {
		a.Errorf("%d data keys in the file, %d made, audited %v", deks, made, sealed)
	}
	opening.once(a.T, "Decrypt", deks)
	if opened["unwrapped"] != deks || len(sealing.of("Decrypt")) != 0 {
		a.Errorf("audited %v; %d Decrypt while sealing", opened, len(sealing.of("Decrypt")))
	}
}

// kmsRewrapFile moves a file from one key to another inside KMS.
func kmsRewrapFile(a *account) {
	f, old, key := newFiles(a), a.symmetric(), a.symmetric()
	plain := f.lines("in.ndjson", 10_000)
	f.run("encrypt", "in.ndjson", "old.scx", "--key", a.url(old), "--window-messages", "500")
	deks := f.check("old.scx", "--key", a.url(old)).KEKs[0].DataKeys

	for _, tc := range []struct {
		name     string
		flags    []string
		decrypts int
	}{{"moved", nil, 0}, {"verified", []string{"--verify"}, deks}} {
		p := newProxy(a.T, a.endpoint)
		seen := a.through(p)
		f.run("rewrap", "old.scx", tc.name+".scx", append(tc.flags, "--old-key", seen.url(old), "--key", seen.url(key), "--workers", "4",
			"--budget", "100KiB", "--audit", f.path(tc.name+".log"))...)
		a.Logf("rewrap %v: %d data keys, %d ReEncrypt, %d Decrypt", tc.flags, deks, len(p.of("ReEncrypt")), len(p.of("Decrypt")))
		p.once(a.T, "ReEncrypt", deks)
		p.once(a.T, "Decrypt", tc.decrypts)
		if n := len(p.of("GenerateDataKey")) + len(p.of("Encrypt")); n != 0 {
			a.Errorf("%d calls that make or take a data key", n)
		}
		way := "rewrapped inside the key service"
		if tc.decrypts == 0 { // nobody has seen the data key
			way += "; the kid is claimed, not verified"
		}
		if ops := f.audited(tc.name + ".log"); ops[way] != deks || ops["unwrapped"] != tc.decrypts {
			a.Errorf("audited %v", ops)
		}

		want := readFile(a.T, f.path("old.scx"))
		for _, c := range p.of("ReEncrypt") {
			want = bytes.ReplaceAll(want, unbase64(a.T, c.blob), unbase64(a.T, c.out))
		}
		want = bytes.ReplaceAll(want, []byte(old), []byte(key)) // a wrapped key may hold it too
		if !slices.EqualFunc(payloads(readFile(a.T, f.path(tc.name+".scx"))), payloads(want), bytes.Equal) {
			a.Errorf("%s: other bytes than the recipients have changed", tc.name)
		}
		f.run("decrypt", tc.name+".scx", tc.name+".ndjson", "--key", a.url(key))
		f.same(tc.name+".ndjson", plain)
		f.refused("unknown-key", "decrypt", tc.name+".scx", "none.ndjson", "--key", a.url(old))
	}
}

// payloads takes the length and the checksum from each frame of an archive.
func payloads(archive []byte) (all [][]byte) {
	const magic, head = 8, 8
	for b := archive[magic:]; len(b) >= head; {
		end := head + int(bigendian.BigEndian.Uint32(b))
		all = append(all, b[head:min(end, len(b))])
		b = b[min(end, len(b)):]
	}
	return all
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		t.Fatalf("%q: %v", text, err)
	}
	return b
}

// kmsCheck asks what can be read, with a key that was disabled meanwhile and
// others.
func kmsCheck(a *account) {
	f, one, two, other := newFiles(a), a.symmetric(), a.symmetric(), a.symmetric()
	f.lines("in.ndjson", 1000)
	f.run("encrypt", "in.ndjson", "sealed.scx", "--key", a.url(one), "--key", a.url(two), "--window-messages", "200")
	expect := func(what string, r report, readable bool, why ...string) {
		a.Helper()
		all := 0
		if readable {
			all = r.Envelopes
		}
		if r.Envelopes < 1000 || r.Readable != all || len(r.KEKs) < len(why) {
			a.Fatalf("%s: %+v", what, r)
		}
		for i, w := range why { // of the KEKs, configured ones first
			if k := r.KEKs[i]; !strings.Contains(k.Why, w) || (k.Why == "") != (k.DataKeys == k.Unwrapped) {
				a.Errorf("%s: not %q: %+v", what, w, k)
			}
		}
	}
	p := newProxy(a.T, a.endpoint)
	both := f.check("sealed.scx", "--key", a.through(p).url(one), "--key", a.through(p).url(two), "--audit", f.path("check.log"))
	expect("both keys", both, true, "", "")
	asked := both.KEKs[0].DataKeys + both.KEKs[1].DataKeys // each key is tried
	p.once(a.T, "Decrypt", asked)
	if ops := f.audited("check.log"); ops["unwrapped"] != asked {
		a.Errorf("audited %v", ops)
	}
	expect("another key", f.check("sealed.scx", "--key", a.url(other)), false, "", "not configured", "not configured")
	if a.ignoresStates {
		a.Log("NOT TESTED: " + a.name + " lets disabled keys work")
		return
	}
	if _, err := a.admin.DisableKey(a.ctx, &kms.DisableKeyInput{KeyId: aws.String(id(one))}); err != nil {
		a.Fatal(err)
	}
	expect("disabled", f.check("sealed.scx", "--key", a.url(one)), false, "Disabled", "not configured")
	expect("disabled, and one that opens", f.check("sealed.scx", "--key", a.url(one), "--key", a.url(two)), true, "Disabled", "")
	if _, err := a.admin.EnableKey(a.ctx, &kms.EnableKeyInput{KeyId: aws.String(id(one))}); err != nil {
		a.Fatal(err)
	}
	expect("enabled again", f.check("sealed.scx", "--key", a.url(one)), true, "")
}
