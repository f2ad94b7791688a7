package dial

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRenewal: a connection whose authentication ends authenticates again
// between two requests, after 85 % of the time, or late if it was idle, and
// never inside a request.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{mechanisms: []string{"PLAIN"}, check: accept(10_000)}
		c, err := New(Options{SASL: password(t, "plain", "x"), Dial: b.dial}).DialContext(t.Context(), "tcp", "b1:9092")
		if err != nil {
			t.Fatal(err)
		}
		for range 60 { // a request each second
			if err := ask(t, c, "hello"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := b.count(36); n != 1+6 { // after 9, 18, ... 54 s
			t.Errorf("%d authentications in a minute", n)
		}
		time.Sleep(time.Hour) // the session has run out
		if err := ask(t, c, "hello"); err != nil {
			t.Fatal(err)
		}
		if n := b.count(36); n != 1+6+1 || b.count(17) != n || b.dials != 1 {
			t.Errorf("%d authentications, %d handshakes, %d dials", n, b.count(17), b.dials)
		}
		_ = c.Close()
		b.running.Wait()
	})
}

// TestRotation: an authentication takes the password that is there then. One
// that is refused breaks the connection and says why.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		right, given := "old", "old"
		b := &broker{mechanisms: []string{"PLAIN"}, check: func(_ int, said []byte) *kmsg.SASLAuthenticateResponse {
			if !bytes.HasSuffix(said, []byte("\x00"+right)) {
				return refuse("no")
			}
			return accept(10_000)(0, nil)
		}}
		m, err := NewPassword("plain", "joe", func() (string, error) { return given, nil })
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(Options{SASL: m, Dial: b.dial}).DialContext(t.Context(), "tcp", "b1:9092")
		if err != nil {
			t.Fatal(err)
		}
		right, given = "new", "new"
		for range 20 {
			if err := ask(t, c, "hello"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		right = "newer"
		time.Sleep(10 * time.Second)
		if err := ask(t, c, "hello"); !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), "b1:9092") {
			t.Errorf("got %v", err)
		}
		_ = c.Close()
		b.running.Wait()
	})
}

// TestRenewalDeadline: an authentication ends with the deadline of the request
// that waits for it, or with one of its own.
func TestRenewalDeadline(t *testing.T) {
	for _, set := range []time.Duration{3 * time.Second, 0} {
		synctest.Test(t, func(t *testing.T) {
			hang := make(chan struct{})
			first := true
			b := &broker{mechanisms: []string{"PLAIN"}, check: func(int, []byte) *kmsg.SASLAuthenticateResponse {
				if !first {
					<-hang
				}
				first = false
				return accept(10_000)(0, nil)
			}}
			c, err := New(Options{SASL: password(t, "plain", "x"), Dial: b.dial}).DialContext(t.Context(), "tcp", "b1:9092")
			if err != nil {
				t.Fatal(err)
			}
			if err := ask(t, c, "hello"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			before := time.Now()
			if set > 0 {
				_ = c.SetDeadline(before.Add(set))
			}
			if err := ask(t, c, "hello"); err == nil {
				t.Error("no error")
			}
			if passed := time.Since(before); set > 0 && passed != set || set == 0 && passed != reauthTimeout {
				t.Errorf("it took %v", passed)
			}
			close(hang)
			_ = c.Close()
			b.running.Wait()
		})
	}
}

// FuzzAnswer: a broker's answers to a new connection never panic and never make
// it read for ever.
func FuzzAnswer(f *testing.F) {
	good := (&broker{features: map[string]int16{"f": 1}}).versions()
	good.Version = 3
	body := good.AppendTo(nil)
	f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), append([]byte{0, 0, 0, 1}, body...)...))
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 40})
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Add([]byte{0, 0, 0, 6, 0, 0, 0, 1, 0, 35, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		answer := struct {
			*bytes.Reader
			discard
		}{Reader: bytes.NewReader(b)}
		peer, err := askPeer(&exchanger{conn: answer})
		if err == nil && peer == nil {
			t.Error("neither a peer nor an error")
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
