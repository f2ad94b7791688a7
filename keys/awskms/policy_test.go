package awskms

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// policies reads the policies of docs/operate.md, in order, and the sections
// they stand in.
func policies(t *testing.T) (sections []string, actions [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for _, part := range regexp.MustCompile("(?ms)^### [^\n]*$|^```json\n.*?^```$").FindAllString(string(text), -1) {
		if title, ok := strings.CutPrefix(part, "### "); ok {
			section = title
			continue
		}
		var policy struct {
			Version   string
			Statement []struct {
				Sid, Effect, Action, Resource string
				Condition                     map[string]map[string]string
			}
		}
		decoder := json.NewDecoder(strings.NewReader(strings.TrimSuffix(strings.TrimPrefix(part, "```json\n"), "```")))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&policy); err != nil {
			t.Fatalf("%s: %v", section, err)
		}
		if policy.Version != "2012-10-17" {
			t.Errorf("%s: version %q", section, policy.Version)
		}
		var allowed []string
		for _, s := range policy.Statement {
			resource := strings.Replace(s.Resource, "key/*", "key/1", 1)
			if _, ok := parseKeyARN(resource); !ok || s.Effect != "Allow" || !regexp.MustCompile("^[A-Za-z]+$").MatchString(s.Sid) {
				t.Errorf("%s: %+v", section, s)
			}
			for _, condition := range s.Condition {
				for name := range condition {
					if name != "kms:RequestAlias" && name != "kms:EncryptionContext:"+contextName {
						t.Errorf("%s: condition on %s", section, name)
					}
				}
			}
			allowed = append(allowed, s.Action)
		}
		sections, actions = append(sections, section), append(actions, allowed)
	}
	return sections, actions
}

// The policies of the documentation allow what the calls of each command are,
// and nothing else.
func TestPoliciesAllowWhatIsCalled(t *testing.T) {
	f := newFake(t)
	one, two := f.key(Options{Key: first}, guard.Options{}), f.key(Options{Key: second}, guard.Options{})
	var dek []byte
	var w keys.Wrapped
	var err error
	calls := func(do func()) []string {
		t.Helper()
		_, before := f.last()
		if do(); err != nil {
			t.Fatal(err)
		}
		needs := map[string]bool{}
		for _, asked := range f.asked[before:] {
			switch asked.op {
			case "ReEncrypt":
				needs["kms:ReEncryptFrom"], needs["kms:ReEncryptTo"] = true, true
			default:
				needs["kms:"+asked.op] = true
			}
		}
		return slices.Sorted(maps.Keys(needs))
	}
	encrypt := calls(func() {
		if dek, w, err = one.Generate(t.Context(), kc, nil); err == nil {
			_, err = two.Wrap(t.Context(), kc, dek)
		}
	})
	decrypt := calls(func() { _, err = one.Unwrap(t.Context(), kc, nil, &w) })
	rewrap := calls(func() { _, err = two.Rewrap(t.Context(), kc, one, &w) })
	through := calls(func() {
		if dek, err = one.Unwrap(t.Context(), kc, nil, &w); err == nil {
			_, err = two.Wrap(t.Context(), kc, dek)
		}
	})
	byAlias := calls(func() { _, _, err = f.key(Options{Key: orders}, guard.Options{}).Generate(t.Context(), kc, nil) })

	wantSections := []string{"encrypt", "decrypt, verify", "rewrap", "rewrap", "keys check", "By alias"}
	want := [][]string{encrypt, decrypt, rewrap, through, decrypt, byAlias}
	sections, got := policies(t)
	if !slices.Equal(sections, wantSections) {
		t.Fatalf("policies of %q, want %q", sections, wantSections)
	}
	for i := range want {
		if slices.Sort(got[i]); !slices.Equal(got[i], want[i]) {
			t.Errorf("%s: the policy allows %v, and %v is called", sections[i], got[i], want[i])
		}
	}
}
