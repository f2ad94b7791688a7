package nats

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

func parseSource(t *testing.T, url string) *stream {
	t.Helper()
	e, err := table.Parse(url, endpoint.From)
	if err != nil {
		t.Fatal(err)
	}
	n, ok := e.(*stream)
	if !ok {
		t.Fatalf("%T", e)
	}
	return n
}

func TestKeepState(t *testing.T) {
	const owned = "nats://h/S?consumer=c"
	for url, want := range map[string]struct{ path, server, bucket, creds string }{
		"file:gate.state":           {path: "gate.state"},
		"file:///var/lib/state":     {path: "/var/lib/state"},
		"nats://a:1,b/STATE":        {server: "nats://a:1,nats://b", bucket: "STATE"},
		"nats://a/STATE?creds=x":    {server: "nats://a", bucket: "STATE", creds: "x"},
		"nats:///STATE?context=ctx": {bucket: "STATE"},
	} {
		n := parseSource(t, owned)
		path, err := n.KeepState(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if path != want.path || n.state.path != want.path || (n.state.bucket == nil) != (want.bucket == "") {
			t.Errorf("%s: %q, %+v", url, path, n.state)
		}
		if b := n.state.bucket; b != nil && (b.stream != want.bucket || b.conn.URL != want.server || b.conn.Creds != want.creds) {
			t.Errorf("%s: %+v", url, b)
		}
		if files := n.Traits().Files; want.creds != "" && (len(files) != 1 || files[0].Path != want.creds) {
			t.Errorf("%s: files %+v", url, files)
		}
	}
	for _, bad := range []string{
		"", "gate.state", "file:", "file://host/x", "file:x?y=z", "kafka://h/t", "nats:STATE", "nats://h/", "nats:///STATE",
		"nats://h/a.b", "nats://h/STATE?consumer=c", "nats://h/STATE?creds=a&nkey=b", "nats://u:p@h/STATE",
	} {
		if _, err := parseSource(t, owned).KeepState(bad); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
	for _, url := range []string{"nats://h/S?until=latest", "nats://h/S?consumer=c&shared=true"} {
		if _, err := parseSource(t, url).KeepState("file:x"); err == nil {
			t.Errorf("%s has no state to keep", url)
		}
	}
}
