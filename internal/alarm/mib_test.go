package alarm

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestMIB: the notifications of the MIB are the kinds, in their order, and it
// begins where INFORMs do.
func TestMIB(t *testing.T) {
	text, err := os.ReadFile("../../docs/STREAMCRYPT-MIB.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?s)\nsc(\w+) NOTIFICATION-TYPE.*?streamcryptNotifications (\d+) }`).FindAllStringSubmatch(string(text), -1)
	if len(found) != len(kinds) {
		t.Fatalf("%d notifications", len(found))
	}
	for i, m := range found {
		name := strings.ToLower(strings.ReplaceAll(string(kinds[i]), "-", ""))
		if strings.ToLower(m[1]) != name || m[2] != strconv.Itoa(i+1) {
			t.Errorf("notification %d is %s with number %s, want %s", i+1, m[1], m[2], kinds[i])
		}
	}
	numbers := strings.ReplaceAll(strings.TrimPrefix(DefaultOID, "1.3.6.1.4.1."), ".", " ")
	if !strings.Contains(string(text), "{ enterprises "+numbers+" }") {
		t.Errorf("the MIB does not begin at %s", DefaultOID)
	}
}
