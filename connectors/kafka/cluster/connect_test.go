package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

var silent = slog.New(slog.DiscardHandler)

func startBroker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestConnectErrors: what is wrong with the way to the cluster is said at once.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	t.Run("password", func(t *testing.T) {
		t.Parallel()
		for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
			b := startBroker(t, kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(mechanism), "joe", "right"))
			connect := func(password string) error {
				m, err := dial.NewPassword(mechanism, "joe", func() (string, error) { return password, nil })
				if err != nil {
					t.Fatal(err)
				}
				c, err := Connect(t.Context(), Options{Brokers: b.ListenAddrs(), SASL: m, Log: silent})
				if err == nil {
					c.Close()
				}
				return err
			}
			if err := connect("right"); err != nil {
				t.Errorf("%s: %v", mechanism, err)
			}
			before := time.Now()
			err := connect("wrong")
			if err == nil || strings.Contains(err.Error(), "wrong\"") {
				t.Errorf("%s: got %v", mechanism, err)
			}
			if time.Since(before) > connectPatience/2 {
				t.Errorf("%s: it was tried again: %v", mechanism, err)
			}
		}
	})
	t.Run("tls", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewTLSServer(nil) // for its certificate
		defer server.Close()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		b := startBroker(t, kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12}))
		c, err := Connect(t.Context(), Options{
			Brokers: b.ListenAddrs(), Log: silent,
			TLS: func() (*tls.Config, error) {
				return &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if _, err := Connect(t.Context(), Options{Brokers: b.ListenAddrs(), Log: silent}); !errors.Is(err, dial.ErrHungUp) {
			t.Errorf("without TLS: %v", err)
		}
		strangers := func() (*tls.Config, error) {
			return &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}, nil
		}
		before := time.Now()
		if _, err := Connect(t.Context(), Options{Brokers: b.ListenAddrs(), TLS: strangers, Log: silent}); err == nil {
			t.Error("an unknown certificate was accepted")
		}
		if time.Since(before) > connectPatience/2 {
			t.Error("an unknown certificate was tried again")
		}
	})
	t.Run("old", func(t *testing.T) {
		t.Parallel()
		b := startBroker(t, kfake.MaxVersions(kversion.V2_3_0()))
		_, err := Connect(t.Context(), Options{Brokers: b.ListenAddrs(), Log: silent})
		var version *wire.VersionError
		if !errors.As(err, &version) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("options", func(t *testing.T) {
		t.Parallel()
		for _, brokers := range [][]string{nil, {""}, {":9092"}, {"a:b:c:9"}} {
			if _, err := Connect(t.Context(), Options{Brokers: brokers}); err == nil {
				t.Errorf("%q was accepted", brokers)
			}
		}
	})
}

// TestMechanismNames: a mechanism has one name.
func TestMechanismNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "PLAIN", "exactly"} {
		if _, err := dial.NewPassword(name, "u", func() (string, error) { return "secret", nil }); err == nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestBrokers(t *testing.T) {
	t.Parallel()
	o, err := Options{Brokers: []string{"a", "b:1", "::1", "[::1]:2"}}.withDefaults()
	if want := []string{"a:9092", "b:1", "[::1]:9092", "[::1]:2"}; err != nil || !slices.Equal(o.Brokers, want) {
		t.Errorf("got %v, %v", o.Brokers, err)
	}
}
