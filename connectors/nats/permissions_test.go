package nats

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
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
	"$JS.API.CONSUMER.LIST.ORDERS", "$JS.API.STREAM.MSG.GET.ORDERS", "$JS.API.STREAM.CREATE.SEALED",
	"$JS.API.STREAM.INFO.KV_streamcrypt", "$JS.API.DIRECT.GET.KV_streamcrypt.>", "$KV.streamcrypt.>",
	"$JS.API.INFO", "$JS.API.STREAM.CREATE.KV_streamcrypt",
}

// TestDocumentedPermissions: the page grants what is tested here, and no more.
func TestDocumentedPermissions(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/nats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| publish to | for |")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for line := range strings.Lines(table) {
		for i, text := range strings.Split(strings.SplitN(line, " | ", 2)[0], "`") {
			if i%2 == 1 {
				documented = append(documented, text)
			}
		}
	}
	want := slices.Sorted(slices.Values(allowed))
	if slices.Sort(documented); !slices.Equal(documented, want) {
		t.Errorf("documented: %q\ntested:     %q", documented, want)
	}
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
		"$JS.API.STREAM.INFO.ORDERS", "$JS.API.CONSUMER.INFO.ORDERS.enc", "$JS.API.CONSUMER.CREATE.ORDERS.enc",
		"$JS.API.CONSUMER.MSG.NEXT.ORDERS.enc", "$JS.ACK.ORDERS.enc.>",
		"$JS.API.STREAM.INFO.KV_streamcrypt", "$JS.API.DIRECT.GET.KV_streamcrypt.>", "$KV.streamcrypt.>",
	} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			_, c := startGuarded(t, without(missing))
			wantDenied(t, readAll(t, c), missing)
		})
	}
}

// readAll reads ORDERS until there is an error.
func readAll(t *testing.T, c *Conn) error {
	s, err := NewSource(t.Context(), c, SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, Log: quiet})
	if err != nil {
		return err
	}
	return s.Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		for {
			b, err := l.Read(ctx, readLimit)
			if err != nil {
				return err
			}
			n := len(b.Messages)
			b.Release()
			if err := l.Commit(ctx, &pipeline.Progress{Messages: n}); err != nil {
				return err
			}
		}
	})
}

// TestMissingSinkPermission: the same for the end that is written.
func TestMissingSinkPermission(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"$JS.API.STREAM.INFO.SEALED", "$JS.API.STREAM.CREATE.SEALED", "sealed.>"} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			b, c := startGuarded(t, without(missing))
			if strings.Contains(missing, "CREATE") {
				if err := b.js.DeleteStream(t.Context(), "SEALED"); err != nil {
					t.Fatal(err)
				}
			}
			err := func() error {
				s, err := NewSink(t.Context(), c, SinkOptions{Stream: "SEALED", Create: true, CreateSubjects: []string{"sealed.>"}, Log: quiet})
				if err != nil {
					return err
				}
				return b.writer(s).Write(t.Context(), numberedMessages("sealed.x", 3, 0), nil)
			}()
			wantDenied(t, err, missing)
		})
	}
}

// TestMissingReset: the owner after one that was killed needs another right.
func TestMissingReset(t *testing.T) {
	t.Parallel()
	const missing = "$JS.API.CONSUMER.RESET.ORDERS.enc"
	b, c := startGuarded(t, without(missing))
	cfg := jetstream.ConsumerConfig{Durable: "enc", AckPolicy: jetstream.AckAllPolicy, MaxDeliver: -1}
	killed, err := b.js.CreateConsumer(t.Context(), "ORDERS", cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := killed.Next(); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, readAll(t, c), missing)
}

// TestMissingBucket: a bucket that has to be made needs two rights more.
func TestMissingBucket(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"$JS.API.STREAM.CREATE.KV_streamcrypt", "$JS.API.INFO", ""} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			b, c := startGuarded(t, without(missing))
			if err := b.js.DeleteKeyValue(t.Context(), DefaultLeaseBucket); err != nil {
				t.Fatal(err)
			}
			err := readAll(t, c)
			if missing == "" {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				return
			}
			wantDenied(t, err, missing)
		})
	}
}

// TestMissingLooks: rights without which a run goes on, and says so.
func TestMissingLooks(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"$JS.API.CONSUMER.LIST.ORDERS", "$JS.API.STREAM.MSG.GET.ORDERS"} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			b, c := startGuarded(t, without(missing))
			var log lockedBuffer
			o := SourceOptions{
				Stream: "ORDERS", Consumer: "enc", Log: slog.New(slog.NewTextHandler(&log, nil)),
				Filters: []string{"orders", "orders.x"}, Route: "r", UntilEnd: strings.Contains(missing, "MSG.GET"),
			}
			cfg := jetstream.ConsumerConfig{Durable: "enc", AckPolicy: jetstream.AckAllPolicy, MaxDeliver: -1, FilterSubjects: o.Filters}
			if _, err := b.js.CreateConsumer(t.Context(), "ORDERS", cfg); err != nil {
				t.Fatal(err)
			}
			b.publish(&natsgo.Msg{Subject: "orders.y"}) // behind the last one for this consumer
			s, err := NewSource(t.Context(), c, o)
			if err != nil {
				t.Fatal(err)
			}
			r := read(t, s)
			equal(t, r.await(20), want(20, 0))
			eventually(t, "said: "+missing, func() bool {
				return strings.Contains(log.String(), "Permissions Violation") && strings.Contains(log.String(), missing)
			})
			_ = r.end()
		})
	}
}

func without(missing string) []string {
	return slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == missing })
}

func wantDenied(t *testing.T, err error, missing string) {
	t.Helper()
	if !errors.Is(err, natsgo.ErrPermissionViolation) || !pipeline.MayPass(err) || !strings.Contains(err.Error(), strings.TrimSuffix(missing, ">")) {
		t.Fatalf("got %v", err)
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
