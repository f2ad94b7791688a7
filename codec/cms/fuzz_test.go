package cms

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
)

// FuzzParse holds the two readers equal: an envelope fits a shape if the strict
// reader accepts it and it has no label that is passed over, and both read the
// same. The head alone is read as it is in the whole.
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
		if fits != (err == nil) && !(err == nil && hasPassedOver(slow.Protected)) {
			t.Fatalf("fits a shape: %v, strict: %v", fits, err)
		}
		if fits && !reflect.DeepEqual(fast, slow) {
			t.Fatalf("fast %+v, strict %+v", fast, slow)
		}
		var head Header
		if n, ok := ParseHead(b, &head); err == nil && (!ok || n > MaxHead || !reflect.DeepEqual(head, slow.Header)) {
			t.Fatalf("head %+v of %d bytes, %v; strict %+v", head, n, ok, slow.Header)
		}
	})
}

// hasPassedOver tells whether a protected map that has been accepted has labels
// that are passed over.
func hasPassedOver(protected []byte) bool {
	m, _ := parseMap(protected)
	for label := range m {
		if isPassedOver(label) {
			return true
		}
	}
	return false
}

// FuzzRecipients: what is accepted and known is encoded again as it came, and
// the fast reader takes exactly that.
func FuzzRecipients(f *testing.F) {
	for _, alg := range allAlgs {
		b, err := AppendRecipients(nil, []Recipient{sampleRecipient(alg)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	all, err := vectors.All()
	if err != nil {
		f.Fatal(err)
	}
	for i := range all {
		var e Envelope
		if parseFast(all[i].Envelope, &e) && len(e.Recipients) < 5000 {
			f.Add(e.Recipients)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		recipients, err := ParseRecipients(b, nil)
		strict, strictErr := parseRecipientsStrict(b, nil)
		if (err == nil) != (strictErr == nil) || !reflect.DeepEqual(recipients, strict) {
			t.Fatalf("%+v, %v; strict %+v, %v", recipients, err, strict, strictErr)
		}
		if fast, ok := parseRecipientsFast(b, nil); ok != (err == nil && int(b[0]&0x1f) == len(recipients)) {
			t.Fatalf("fast: %v; %+v", ok, fast)
		}
		if err != nil || len(recipients) == 0 || int(b[0]&0x1f) != len(recipients) {
			return // refused, or with unknown kinds among them
		}
		again, err := AppendRecipients(nil, recipients)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
	})
}
