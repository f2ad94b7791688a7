package envelope_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
)

// FuzzRewrap: whatever comes in, it is refused for a reason, or nothing of it
// changes but the recipients.
func FuzzRewrap(f *testing.F) {
	all, err := vectors.All()
	if err != nil {
		f.Fatal(err)
	}
	var every vectors.Vector
	seen := map[string]bool{}
	for i := range all {
		if v := &all[i]; len(v.Envelope) < 10_000 {
			f.Add([]byte(v.Envelope))
			every.Records = append(every.Records, v.Records...)
		}
		for _, k := range all[i].Keys {
			if file := string(k.File()); k.Kind != "rsa" && !seen[file] {
				seen[file] = true
				every.Keys = append(every.Keys, k)
			}
		}
	}
	to := newKEK(f)
	f.Fuzz(func(t *testing.T, e []byte) {
		every := every
		every.Envelope = e
		r := newVectorRig(t, &every, to)
		var refused *envelope.Error
		out, err := r.rewrapper.Rewrap(t.Context(), nil, e)
		if err != nil && (!errors.As(err, &refused) || len(out) > 0) {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		var copied bytes.Buffer
		_, copyErr := r.rewrapper.Copy(t.Context(), &copied, onlyReader{bytes.NewReader(e)})
		if copyErr != nil && !errors.As(copyErr, &refused) {
			t.Fatalf("Copy: %v", copyErr)
		}
		if err != nil {
			return
		}
		var before, after cms.Envelope
		if err := errors.Join(cms.Parse(e, &before), cms.Parse(out, &after)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e[:len(e)-len(before.Recipients)], out[:len(out)-len(after.Recipients)]) {
			t.Fatal("more than the recipients changed")
		}
		if copyErr != nil || !bytes.Equal(copied.Bytes(), out) {
			t.Fatalf("Rewrap gives %d bytes, Copy %d, %v", len(out), copied.Len(), copyErr)
		}
	})
}
