//go:build releasecheck

package alarm

import (
	"bufio"
	"context"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSnmptrapd sends INFORMs to Debian's snmptrapd, which confirms and prints
// them: by SHA-256 with AES-128, and by SHA-512 with AES-256.
func TestSnmptrapd(t *testing.T) {
	for _, protocols := range [][4]string{{"SHA-256", "AES", "SHA-256", "AES-128"}, {"SHA-512", "AES-256", "SHA-512", "AES-256-C"}} {
		t.Run(protocols[2]+" "+protocols[3], func(t *testing.T) {
			dir, port := t.TempDir(), freeUDP(t)
			conf := writeSecret(t, strings.Join([]string{
				"createUser streamcrypt " + protocols[0] + " authpass1 " + protocols[1] + " privpass1",
				"authUser log streamcrypt priv", "disableAuthorization no", "",
			}, "\n"), 0o600)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			trapd := exec.CommandContext(ctx, "snmptrapd", "-f", "-C", "-c", conf, "-On", "-Lo",
				"-F", "%V|%v\\n", "--persistentDir="+filepath.Join(dir, "state"), "udp:127.0.0.1:"+port)
			trapd.Env = append(trapd.Environ(), "SNMP_PERSISTENT_DIR="+filepath.Join(dir, "state"))
			out, err := trapd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := trapd.Start(); err != nil {
				t.Fatal("snmptrapd (Debian: apt-get install snmptrapd): ", err)
			}
			defer func() {
				cancel()
				_ = trapd.Wait()
			}()
			text := strings.ReplaceAll(goodSNMP, "%PORT", port)
			text = strings.ReplaceAll(text, "privacy: AES-128", "auth: "+protocols[2]+"\nprivacy: "+protocols[3])
			all, err := (&Config{SNMP: writeSecret(t, text, 0o600), Instance: "me/1"}).OpenSenders(slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			for all[0].Send(ctx, sample) != nil { // until it listens
				if ctx.Err() != nil {
					t.Fatal("never confirmed")
				}
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				line := lines.Text()
				if strings.Contains(line, DefaultOID+".0.1") {
					for _, want := range []string{`"decrypt orders"`, `"me/1"`, `"orders/3"`, `"the decrypt breaker is open"`} {
						if !strings.Contains(line, want) {
							t.Errorf("%s is not in %s", want, line)
						}
					}
					return
				}
			}
			t.Error("snmptrapd has printed nothing")
		})
	}
}

// TestSnmptrapdWrongKey: a receiver that does not take the passphrase confirms
// nothing.
func TestSnmptrapdWrongKey(t *testing.T) {
	port := freeUDP(t)
	conf := writeSecret(t, "createUser streamcrypt SHA-256 otherpass1 AES privpass1\nauthUser log streamcrypt priv\n", 0o600)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	trapd := exec.CommandContext(ctx, "snmptrapd", "-f", "-C", "-c", conf, "-Lo", "udp:127.0.0.1:"+port)
	trapd.Env = append(trapd.Environ(), "SNMP_PERSISTENT_DIR="+t.TempDir())
	if err := trapd.Start(); err != nil {
		t.Fatal("snmptrapd (Debian: apt-get install snmptrapd): ", err)
	}
	defer func() {
		cancel()
		_ = trapd.Wait()
	}()
	s, err := readSNMP(writeSecret(t, strings.ReplaceAll(goodSNMP, "%PORT", port), 0o600), "me/1")
	if err != nil {
		t.Fatal(err)
	}
	s.timeout = 500 * time.Millisecond
	for ctx.Err() == nil {
		err := s.Send(ctx, sample)
		if err == nil {
			t.Fatal("confirmed with the wrong passphrase")
		}
		if !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "timeout") {
			t.Log(err) // it has answered
			return
		}
	}
	t.Error("snmptrapd has not answered")
}
