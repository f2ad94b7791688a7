package describe

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
)

func TestVectors(t *testing.T) {
	all, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	needsKey := map[string]bool{"ok": true, "unknown-key": true, "wrong-key": true, "tampered": true}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			r := of(&Record{}, v.Envelope)
			switch {
			case needsKey[v.Expect] && r.Err != nil:
				t.Fatalf("%v, but its form is right", r.Err)
			case !needsKey[v.Expect] && Reason(r.Err) != v.Expect:
				t.Fatalf("%v, want %s", r.Err, v.Expect)
			case v.Expect == "ok" && r.Envelope.Payload != int64(len(v.Plaintext)):
				t.Errorf("payload of %d bytes, want %d", r.Envelope.Payload, len(v.Plaintext))
			}
		})
	}
}
