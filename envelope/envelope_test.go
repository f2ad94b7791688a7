package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

const route = "orders-enc"

// rig is both sides of one route.
type rig struct {
	rigOptions
	kek *local.AES
}

type rigOptions struct {
	store  kekcache.Store
	random bool // nonces
	limits kekcache.Limits
}

func newRig(t testing.TB, o rigOptions) rig {
	t.Helper()
	return newRigOf(t, newKEK(t), o)
}

// newRigOf is a route under a KEK.
func newRigOf(t testing.TB, kek *local.AES, o rigOptions) rig {
	t.Helper()
	return rig{o, kek}
}

func newKEK(t testing.TB) *local.AES {
	t.Helper()
	file, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	kek, err := local.ParseAES(file)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

// sealer returns a Sealer with data keys of its own.
func (r rig) sealer(t testing.TB, chunkSize int) *envelope.Sealer {
	t.Helper()
	s, err := envelope.NewSealer([]keys.Wrapper{r.kek}, envelope.SealerOptions{
		Context: route, ChunkSize: chunkSize, RandomNonces: r.random, Store: r.store, Limits: r.limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r rig) opener(t testing.TB) *envelope.Opener {
	t.Helper()
	return openerWith(t, r.store, route, r.kek)
}

// profiles runs a test in both.
func profiles(t *testing.T, test func(t *testing.T, store kekcache.Store)) {
	t.Run("self-contained", func(t *testing.T) { test(t, nil) })
	t.Run("by reference", func(t *testing.T) { test(t, new(keystoretest.Memory)) })
}

func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

var sizes = []int{0, 1, 23, 24, 255, 256, 1024, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 65536, 65537, 300_000}

func TestSealOpen(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		for _, chunkSize := range []int{4096, 65536} {
			s, o := r.sealer(t, chunkSize), r.opener(t)
			for _, n := range sizes {
				b := envelope.Binding{Subject: []byte("s"), Key: []byte("k"), Headers: []envelope.Header{{Name: "h"}, {Name: "h", Value: []byte{}}}}
				p := envelope.Position{Source: [5]byte{1, 2, 3}, Partition: 7, Term: 3, Offset: 99, Distance: 1, SamePartition: true}
				prefix := []byte("prefix")
				e, err := s.NewWorker().Seal(t.Context(), prefix, payload(n), &b, &p)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.HasPrefix(e, prefix) {
					t.Fatal("Seal did not append")
				}
				e = e[len(prefix):]
				if len(e) > s.MaxSize(n) {
					t.Errorf("%d bytes: envelope of %d, MaxSize %d", n, len(e), s.MaxSize(n))
				}
				out, got, err := o.NewWorker().Open(t.Context(), prefix, e, &b)
				if err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				if !bytes.Equal(out, append([]byte("prefix"), payload(n)...)) {
					t.Errorf("%d bytes: payload differs", n)
				}
				if got.Created == 0 {
					t.Error("no time")
				}
				got.Created = 0
				if want := (envelope.Opened{Position: p, Bound: 2, Vouched: true}); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				read, err := io.ReadAll(o.NewReader(t.Context(), onlyReader{bytes.NewReader(e)}, b))
				if err != nil || !bytes.Equal(read, payload(n)) {
					t.Errorf("%d bytes through a pipe: %v", n, err)
				}
				read, err = io.ReadAll(o.NewReader(t.Context(), bytes.NewReader(e), b))
				if err != nil || !bytes.Equal(read, payload(n)) {
					t.Errorf("%d bytes through a file: %v", n, err)
				}
			}
		}
	})
}

type onlyReader struct{ io.Reader }

func TestWriterReader(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		for _, n := range sizes {
			for name, write := range map[string]func(w *envelope.Writer) error{
				"Write": func(w *envelope.Writer) error { _, err := w.Write(payload(n)); return err },
				"ReadFrom": func(w *envelope.Writer) error {
					_, err := io.Copy(w, onlyReader{bytes.NewReader(payload(n))})
					return err
				},
				"by bytes": func(w *envelope.Writer) error {
					for _, b := range payload(n) {
						if _, err := w.Write([]byte{b}); err != nil {
							return err
						}
					}
					return nil
				},
			} {
				t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
					var out bytes.Buffer
					w := r.sealer(t, 4096).NewWriter(t.Context(), &out, envelope.Binding{})
					if err := errors.Join(write(w), w.Close()); err != nil {
						t.Fatal(err)
					}
					for kind, in := range map[string]io.Reader{"pipe": onlyReader{bytes.NewReader(out.Bytes())}, "file": bytes.NewReader(out.Bytes())} {
						got, err := io.ReadAll(r.opener(t).NewReader(t.Context(), in, envelope.Binding{}))
						if err != nil || !bytes.Equal(got, payload(n)) {
							t.Errorf("%s: %d bytes, %v", kind, len(got), err)
						}
					}
				})
			}
		}
	})
}

// keyAndNonce returns the name of an envelope's data key and the nonce of its
// first chunk.
func keyAndNonce(t testing.TB, e []byte) (key, nonce string) {
	t.Helper()
	var parsed cms.Envelope
	if err := cms.Parse(e, &parsed); err != nil {
		t.Fatal(err)
	}
	iv := parsed.IV
	if parsed.Chunked {
		segment, _ := parsed.Segments.Next()
		iv = segment[:12]
	}
	return string(parsed.Commitment) + string(parsed.KID), string(iv)
}
