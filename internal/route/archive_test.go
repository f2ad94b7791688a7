package route

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestArchiveVectors reads the archives of docs/vectors: as many messages come
// out as the vector says, and then the word.
func TestArchiveVectors(t *testing.T) {
	all, err := vectors.Archives()
	must(t, err)
	if len(all) < 50 {
		t.Fatalf("%d vectors", len(all))
	}
	for i := range all {
		v := &all[i]
		t.Run(v.Name, func(t *testing.T) {
			got := readArchive(t, v, nil)
			if got.word != v.Expect || len(got.messages) != len(v.Messages) || got.ends != v.Ends {
				t.Fatalf("%d messages, %d ends, %q (%v); want %d, %d, %q",
					len(got.messages), got.ends, got.word, got.err, len(v.Messages), v.Ends, v.Expect)
			}
			for j := range got.messages {
				checkVectorMessage(t, j, &got.messages[j], &v.Messages[j])
			}
			if v.Expect == "ok" && (got.last.Flags != v.Flags || got.last.Receipt().String() != trimLine(v.Receipt)) {
				t.Errorf("flags %d, receipt %s", got.last.Flags, got.last.Receipt())
			}
			for _, r := range v.Receipts {
				receipt, err := archive.ParseReceipt(r[0])
				must(t, err)
				if got := readArchive(t, v, &receipt); got.word != r[1] {
					t.Errorf("receipt %s: %q, want %q", receipt, got.word, r[1])
				}
			}
		})
	}
}

func trimLine(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		return s[:n-1]
	}
	return s
}

// archiveRead is what comes out of an archive.
type archiveRead struct {
	messages []pipeline.Message
	ends     int
	last     archive.End
	word     string
	err      error
}

func readArchive(t *testing.T, v *vectors.Archive, receipt *archive.Receipt) (out archiveRead) {
	t.Helper()
	opener := vectorOpener(t, v)
	r := &records{plan: &plan{env: Env{Log: quiet}, protection: protection{receipt: receipt}}}
	functions := r.newOpenedArchive(opener)
	source, err := file.NewSource(file.SourceOptions{
		Path: file.Stream, Format: format.Seq, Stdin: &reader{b: v.File}, Archive: functions,
	})
	must(t, err)
	d, err := transform.NewDecrypt(transform.DecryptOptions{Opener: opener})
	must(t, err)
	out.err = source.Serve(t.Context(), func(ctx context.Context, lane pipeline.Lane) error {
		for {
			batch, err := lane.Read(ctx, 1<<16)
			if err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			for i := range batch.Messages {
				m := batch.Messages[i]
				if m.Fault != nil {
					return m.Fault
				}
				value, err := d.Append(ctx, nil, &m)
				if err != nil {
					return err
				}
				if m.Value != nil {
					m.Value = value
					if m.Value == nil {
						m.Value = []byte{}
					}
				}
				out.messages = append(out.messages, cloneMessage(&m))
			}
		}
	})
	out.ends = r.ends.all
	out.last, _ = r.ends.latest()
	out.word = "ok"
	var reject *pipeline.Reject
	var refused *envelope.Error
	var reasoned interface{ Reason() string }
	switch {
	case out.err == nil:
	case errors.As(out.err, &reject):
		out.word = string(reject.Reason)
	case errors.As(out.err, &refused):
		out.word = string(refused.Reason)
	case errors.As(out.err, &reasoned):
		out.word = reasoned.Reason()
	default:
		out.word = out.err.Error()
	}
	return out
}

// reader hands its bytes out in small pieces.
type reader struct{ b []byte }

func (r *reader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 100)], r.b)
	r.b = r.b[n:]
	return n, nil
}

func cloneMessage(m *pipeline.Message) pipeline.Message {
	c := *m
	c.Key, c.Value, c.Subject = slices.Clone(m.Key), slices.Clone(m.Value), slices.Clone(m.Subject)
	c.Headers = slices.Clone(m.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = slices.Clone(c.Headers[i].Value)
	}
	return c
}

func checkVectorMessage(t *testing.T, at int, got *pipeline.Message, want *vectors.Message) {
	t.Helper()
	describe := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return hex.EncodeToString(b)
	}
	is := []string{describe(got.Key), describe(got.Subject), describe(got.Value)}
	should := []string{describe(want.Key), describe(want.Subject), describe(want.Value)}
	for _, h := range got.Headers {
		is = append(is, h.Name, describe(h.Value))
	}
	for _, h := range want.Headers {
		should = append(should, string(h.Name), describe(h.Value))
	}
	wantTime := time.Time{}
	if want.Time != nil {
		wantTime = time.UnixMilli(*want.Time)
	}
	if !slices.Equal(is, should) || !got.Time.Equal(wantTime) {
		t.Errorf("message %d: %v at %v, want %v at %v", at, is, got.Time, should, wantTime)
	}
}

// vectorOpener opens with the keys of a vector.
func vectorOpener(t *testing.T, v *vectors.Archive) *envelope.Opener {
	t.Helper()
	o := envelope.OpenerOptions{
		Context: string(v.Context), KeyContext: string(v.KeyContext), ExtraHeaders: true, NoClock: true,
	}
	for _, name := range v.Bind {
		o.Bind.Named = true
		o.Bind.Names = append(o.Bind.Names, string(name))
	}
	for _, file := range v.Signers {
		signer, err := local.ParseEd25519Public([]byte(file))
		must(t, err)
		o.Signers = append(o.Signers, signer)
	}
	if v.Skew != nil {
		o.Skew = time.Duration(*v.Skew) * time.Second
	}
	if len(v.Records) > 0 {
		store := new(keystoretest.Memory)
		for _, record := range v.Records {
			must(t, store.Put(t.Context(), kidOfRecord(t, record), record))
		}
		o.Store = store
	}
	var unwrappers []keys.Unwrapper
	for i := range v.Keys {
		k, err := v.Keys[i].Unwrapper()
		must(t, err)
		unwrappers = append(unwrappers, k)
	}
	opener, err := envelope.NewOpener(unwrappers, o)
	must(t, err)
	return opener
}

// kidOfRecord is the name under which a key record is stored.
func kidOfRecord(t *testing.T, record []byte) [16]byte {
	t.Helper()
	const commitmentAt = 2 + 1 + 2 + 4 + 5 + 2 + 28 // section 2 of docs/envelope.md
	if len(record) < commitmentAt+16 {
		t.Fatal(fmt.Errorf("a record of %d bytes", len(record)))
	}
	return [16]byte(record[commitmentAt:])
}
