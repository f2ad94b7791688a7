package cms

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
)

// FuzzParse holds the two readers equal: what fits a shape is what the strict
// reader accepts, and with the same meaning.
func FuzzParse(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	all, err := vectors.All()
	if err != nil {
		f.Fatal(err)
	}
	for i := range all {
		if len(all[i].Envelope) < 10_000 {
			f.Add([]byte(all[i].Envelope))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var fast, slow Envelope
		fits := parseFast(b, &fast)
		if fits && !fast.ByReference {
			_, err := ParseRecipients(fast.Recipients, nil)
			fits = err == nil
		}
		err := parseStrict(b, &slow)
		if fits != (err == nil) {
			t.Fatalf("fits a shape: %v, strict: %v", fits, err)
		}
		if fits && !reflect.DeepEqual(fast, slow) {
			t.Fatalf("fast %+v, strict %+v", fast, slow)
		}
	})
}

// FuzzRecipients: what is accepted and known is encoded again as it came.
func FuzzRecipients(f *testing.F) {
	for _, alg := range []int64{AlgA256KW, AlgECDHESA256KW, AlgRSAOAEP256, AlgAWSKMS} {
		b, err := AppendRecipients(nil, []Recipient{sampleRecipient(alg)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		recipients, err := ParseRecipients(b, nil)
		if err != nil || len(recipients) == 0 || int(b[0]&0x1f) != len(recipients) {
			return // refused, or with unknown kinds among them
		}
		again, err := AppendRecipients(nil, recipients)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
	})
}
