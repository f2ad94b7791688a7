package deploy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// largestImage is the most that an image may take, in bytes.
const largestImage = 30_000_000

// TestImage builds the image of a release and runs it, as a pod would: without
// a file system that it could write to, without capabilities, not as root.
func TestImage(t *testing.T) {
	skipUnlessRelease(t)
	needTools(t, "docker")
	dist := buildRelease(t)
	tag := "streamcrypt-release-check:" + filepath.Base(filepath.Dir(dist))
	mustRun(t, "docker", "build", "-q", "-f", "deploy/image/Dockerfile", "-t", tag, "--build-arg",
		"TARGETARCH="+runtime.GOARCH, "--build-arg", "VERSION="+checkedVersion, filepath.Join(dist, "image"))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := runTool(ctx, t, nil, "docker", "image", "rm", "-f", tag); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})

	var about []struct {
		Size   int64
		Config struct {
			User   string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal([]byte(mustRun(t, "docker", "image", "inspect", tag)), &about); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", about[0].Size)
	if about[0].Size > largestImage {
		t.Errorf("the image takes %d bytes", about[0].Size)
	}
	if about[0].Config.User != "65532:65532" || about[0].Config.Labels["org.opencontainers.image.version"] != checkedVersion {
		t.Errorf("%+v", about[0].Config)
	}

	run := []string{"run", "--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"}
	version := mustRun(t, "docker", append(run[:len(run):len(run)], "--network=none", tag, "version", "--json")...)
	if !strings.Contains(version, `"version":"`+checkedVersion+`"`) {
		t.Errorf("the image says %s", version)
	}
	if out, err := runTool(t.Context(), t, nil, "docker", append(run[:len(run):len(run)], "--network=none", tag, "demo")...); err == nil ||
		!strings.Contains(out, "contains no server") {
		t.Errorf("the image has a demonstration: %v: %s", err, out)
	}
	t.Run("trust", func(t *testing.T) { checkTrust(t, tag, run, dist) })
}

// checkTrust has the image dial TLS. The certificates in it are those of public
// authorities, so the server's authority is put beside them: one dial with that
// file succeeds as far as the server's own answer, and one with the image's file
// is refused for the certificate and not for want of authorities.
func checkTrust(t *testing.T, tag string, run []string, dist string) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"NotFoundException","message":"no such key"}`))
	}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	shipped, err := os.ReadFile(filepath.Join(dist, "image", runtime.GOARCH, "ca-certificates.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(shipped), "BEGIN CERTIFICATE"); n < 100 {
		t.Errorf("%d authorities", n)
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := write("both.crt", append(shipped, own...))
	orders := write("orders.ndjson", []byte(`{"key":"o1","value":"widget"}`+"\n"))
	dial := func(volumes ...string) string {
		args := append(run[:len(run):len(run)], "--network=host", "-e", "AWS_ACCESS_KEY_ID=x",
			"-e", "AWS_SECRET_ACCESS_KEY=y", "-v", orders+":/orders.ndjson:ro")
		args = append(append(args, volumes...), tag, "encrypt", "--wait", "0", "--from", "file:/orders.ndjson", "--to", "file:-?format=ndjson",
			"--key", "awskms:1234abcd-12ab-34cd-56ef-1234567890ab?region=eu-central-1&endpoint="+server.URL)
		out, err := runTool(t.Context(), t, nil, "docker", args...)
		if err == nil {
			t.Errorf("a key service that has no key gave one: %s", out)
		}
		return out
	}
	if out := dial("-v", both+":/etc/ssl/certs/ca-certificates.crt:ro"); !strings.Contains(out, "NotFoundException") {
		t.Errorf("the server's answer did not come through TLS: %s", out)
	}
	if out := dial(); !strings.Contains(out, "certificate") || strings.Contains(out, "NotFoundException") {
		t.Errorf("the image trusts an authority that is not in it: %s", out)
	}
}
