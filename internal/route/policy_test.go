package route

import (
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestActions: which actions --on takes for which reason, in both directions.
// Only a duplicate is ever dropped, and nothing passes that no key has opened
// but the two kinds of plaintext.
func TestActions(t *testing.T) {
	testDir(t)
	opened := map[string]string{
		"duplicate": "drop pass dead-letter park", "gap": "pass park", "reordered": "pass dead-letter park",
		"foreign-record": "pass dead-letter park", "untrusted": "pass dead-letter park",
		"stale": "pass dead-letter park", "skewed": "pass dead-letter park",
		"not-an-envelope": "pass dead-letter park", "bare-tombstone": "pass dead-letter park",
		"already-sealed": "",
	}
	sealed := map[string]string{
		"duplicate": "", "gap": "", "reordered": "", "foreign-record": "", "already-sealed": "pass dead-letter park",
	}
	for _, reason := range pipeline.Reasons() {
		for _, action := range []string{actDrop, actPass, actLetter, actPark} {
			for do, table := range map[direction]map[string]string{decrypt: opened, verify: opened, encrypt: sealed} {
				actions, special := table[string(reason)]
				if !special && actionsOf[reason] != nil {
					actions = "dead-letter park"
				}
				c := Config{
					On: []string{string(reason) + "=" + action}, Keys: []string{"local:k.jwk"}, From: "file:a.ndjson",
					To: "file:b.scx", DeadLetter: "file:d.ndjson",
				}
				if do != encrypt {
					c.From, c.To = "file:b.scx", "file:a.ndjson"
				}
				if do == verify {
					c.To = ""
				}
				_, err := newPlan(do, c, Env{Log: quiet}.complete())
				if want := slices.Contains(strings.Fields(actions), action); want != (err == nil) {
					t.Errorf("%s, %s=%s: %v", do, reason, action, err)
				}
			}
		}
	}
	c := Config{On: []string{"tampered=dead-letter"}, Keys: []string{"local:k.jwk"}, From: "file:b.scx", To: "file:a.ndjson"}
	refuses(t, Decrypt, c, "no dead letters are configured")
	c.On = []string{"gap=park", "gap=pass"}
	refuses(t, Decrypt, c, "both park and pass")
}
