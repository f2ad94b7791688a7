package nats

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// allowed is what docs/nats.md grants a process that reads ORDERS through
// consumer enc and writes SEALED.
var allowed = []string{
	"$JS.API.STREAM.INFO.ORDERS", "$JS.API.CONSUMER.INFO.ORDERS.enc", "$JS.API.CONSUMER.CREATE.ORDERS.enc",
	"$JS.API.CONSUMER.MSG.NEXT.ORDERS.enc", "$JS.API.CONSUMER.RESET.ORDERS.enc", "$JS.ACK.ORDERS.enc.>",
	"$JS.API.STREAM.INFO.SEALED", "$JS.API.STREAM.MSG.GET.SEALED", "sealed.>",
	"$JS.API.STREAM.INFO.KV_streamcrypt", "$JS.API.DIRECT.GET.KV_streamcrypt.>", "$KV.streamcrypt.>",
}

// startGuarded starts a server with an administrator and a user who may publish
// to some subjects, and returns the user's connection.
func startGuarded(t *testing.T, publish []string) (*broker, *Conn) {
	t.Helper()
	b := startBroker(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "admin"},
			{Username: "enc", Password: "enc", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
			}},
		}
	})
	nc, err := natsgo.Connect(b.url(), natsgo.UserInfo("admin", "admin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if b.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	b.stream("ORDERS", nil)
	b.stream("SEALED", nil)
	if _, err := b.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: DefaultLeaseBucket}); err != nil {
		t.Fatal(err)
	}
	b.fill("ORDERS", 20, 0)
	c, err := Connect(t.Context(), ConnOptions{
		URL: b.url(), User: "enc", PasswordFile: write(t, "password", []byte("enc")), Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return b, c
}

// TestPermissions: what the page grants is enough, for duplicates too.
func TestPermissions(t *testing.T) {
	t.Parallel()
	b, c := startGuarded(t, allowed)
	secret, err := LoadIDSecret(t.Context(), c, DefaultLeaseBucket, "source.x")
	if err != nil || len(secret) != 32 {
		t.Fatal(err)
	}
	r := read(t, b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	equal(t, r.await(20), want(20, 0))
	eventually(t, "acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 20 })
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	s := b.sink(c, SinkOptions{Stream: "SEALED"})
	for range 2 {
		if err := b.writer(s).Write(t.Context(), numberedMessages("sealed.x", 5, 0), nil); err != nil {
			t.Fatal(err)
		}
	}
	if already, _ := notedDuplicates(s); already != 5 || s.believes.Load() {
		t.Fatalf("%d found stored", already)
	}
}

// TestMissingPermission: the error names the permission, and is no deadline.
func TestMissingPermission(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{
		"$JS.API.STREAM.INFO.ORDERS", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.enc", "$JS.ACK.ORDERS.enc.>", "$JS.API.STREAM.INFO.KV_streamcrypt",
	} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			_, c := startGuarded(t, slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == missing }))
			err := readAll(t, c)
			if !errors.Is(err, natsgo.ErrPermissionViolation) || !pipeline.MayPass(err) ||
				!strings.Contains(err.Error(), strings.TrimSuffix(missing, ">")) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// readAll reads ORDERS until there is an error.
func readAll(t *testing.T, c *Conn) error {
	s, err := NewSource(t.Context(), c, SourceOptions{Stream: "ORDERS", Consumer: "enc", Log: quiet})
	if err != nil {
		return err
	}
	v := serve(t, s)
	defer v.leave(nil)
	for {
		b, err := v.lane.Read(t.Context(), readLimit)
		if err != nil {
			return err
		}
		v.commit(len(take(b)))
	}
}

// TestDuplicateBelieved: without the right to look, the stream is believed.
func TestDuplicateBelieved(t *testing.T) {
	t.Parallel()
	b, c := startGuarded(t, slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return strings.Contains(s, "MSG.GET") }))
	s := b.sink(c, SinkOptions{Stream: "SEALED"})
	for range 2 {
		if err := b.writer(s).Write(t.Context(), numberedMessages("sealed.x", 2, 0), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.stored("SEALED")); n != 2 || !s.believes.Load() {
		t.Fatalf("%d messages", n)
	}
}
