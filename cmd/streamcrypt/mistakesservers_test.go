package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
)

// TestMistakesWithServers runs commands whose mistake only a server shows:
// testdata/mistakes-servers.txt has each with its exit code, error and hint.
// $NAME stands for the address of a server.
func TestMistakesWithServers(t *testing.T) {
	golden := readTranscript(t, "mistakes-servers.txt")
	inMistakesFolder(t)
	servers := startServers(t)
	golden.check(t, 25, func(command string) string {
		env, args := splitCommand(servers.fillIn(command))
		removeOutputs(t)
		code, _, stderr := runBinary(t.Context(), t, env, args...)
		if code == exitOK {
			t.Errorf("%s: is no mistake", command)
		}
		return fmt.Sprintf("exit %d\n%s", code, servers.takeOut(spoken(t, stderr)))
	})
}

// removeOutputs removes the outputs that the last command may have left.
func removeOutputs(t *testing.T) {
	t.Helper()
	names, err := filepath.Glob("out.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// splitCommand returns the variables and arguments of A=B streamcrypt ARGS.
func splitCommand(command string) (env, args []string) {
	words := splitWords(command)
	for i, word := range words {
		if word == "streamcrypt" {
			return words[:i], words[i+1:]
		}
	}
	return nil, words
}

// mistakenServers are the addresses of servers by their names in the commands.
type mistakenServers map[string]string

func (s mistakenServers) fillIn(command string) string {
	return os.Expand(command, func(name string) string {
		if address, ok := s[name]; ok {
			return address
		}
		return "$" + name
	})
}

// varying are the parts of messages that differ from run to run, and their
// place.
var varying = map[*regexp.Regexp]string{
	regexp.MustCompile(`127\.0\.0\.1:\d+->`): "", // our own port
	regexp.MustCompile(`sealed/\d@`):         "sealed/N@",
	// Memory depends on how many processors there are.
	regexp.MustCompile(`\d+ MiB at most`):    "N MiB at most",
	regexp.MustCompile(`"memory_bytes":\d+`): `"memory_bytes":N`,
}

// takeOut puts the names in the place of addresses.
func (s mistakenServers) takeOut(said string) string {
	for part, place := range varying {
		said = part.ReplaceAllString(said, place)
	}
	for name, address := range s {
		if name != "AWS" {
			said = strings.ReplaceAll(said, address, "$"+name)
		}
	}
	return said
}

func startServers(t *testing.T) mistakenServers {
	t.Helper()
	web, secured := httptest.NewServer(http.NotFoundHandler()), httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	t.Cleanup(secured.Close)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(refusing.Close)
	config := &tls.Config{Certificates: secured.TLS.Certificates, MinVersion: tls.VersionTLS12}
	s := mistakenServers{
		"WEB": web.Listener.Addr().String(), "SECURED_WEB": secured.Listener.Addr().String(),
		"AWS": strings.Join(awsVariables, " "), "ARN": fakeARN,
		"PROXY": refusing.Listener.Addr().String(), "NOBODY": "127.0.0.1:1", "KMS": startKMS(t),
		"NATS":          startNATSWith(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}),
		"SECURED_NATS":  startNATSWith(t, &server.Options{TLS: true, TLSConfig: config}),
		"GUARDED_NATS":  startNATSWith(t, &server.Options{Username: "joe", Password: "right"}),
		"KAFKA":         startKafka(t, kfake.SeedTopics(3, "orders"), kfake.SeedTopics(1, "narrow")),
		"SECURED_KAFKA": startKafka(t, kfake.TLS(config)),
		"GUARDED_KAFKA": startKafka(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "joe", "right")),
	}
	fillServers(t, s)
	return s
}

// fillServers stores messages, sealed and in the clear, and writes files.
func fillServers(t *testing.T, s mistakenServers) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	js := connectNATS(t, "nats://"+s["NATS"])
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "orders.eu", []byte("widget")); err != nil {
		t.Fatal(err)
	}
	write(t, ".", "wrong", []byte("wrong\n"))
	for _, args := range []string{
		"encrypt --key local:key.jwk --from nats://$NATS/ORDERS?until=latest --to nats://$NATS/SEALED?subject=sealed.>&create=true",
		"encrypt --key local:key.jwk --from in.ndjson --to kafka://$KAFKA/sealed?create=true",
		"encrypt --key local:key.jwk --from in.ndjson --to sealed.scx",
		"encrypt --key local:key.jwk --from letter.txt --to letter.enc",
		"encrypt --key awskms:" + fakeARN + "?endpoint=http://$KMS/ok&pair=team:pay --context orders --from letter.txt --to kms.enc",
	} {
		if code, _, stderr := runBinary(ctx, t, awsVariables, splitWords(s.fillIn(args))...); code != exitOK {
			t.Fatalf("%s: %s", args, stderr)
		}
	}
}

// awsVariables are credentials that the fake KMS takes.
var awsVariables = []string{
	"AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull,
	"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
}

func startKafka(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}
