package route

import (
	"fmt"
	"strings"
	"testing"
)

// TestFindCycle: a chain of streams with two ways from each to the next is
// looked through once, and one way back closes a cycle.
func TestFindCycle(t *testing.T) {
	testDir(t)
	const streams = 26
	var members []Member
	add := func(name string, from, to int, subject string) {
		members = append(members, Member{Name: name, Direction: "encrypt", Config: Config{
			From: fmt.Sprintf("nats://h/S%d?consumer=%s", from, name),
			To:   fmt.Sprintf("nats://h/S%d?subject=%s.>", to, subject), Keys: []string{"local:k.jwk"},
		}})
	}
	for i := range streams - 1 {
		add(fmt.Sprintf("a%d", i), i, i+1, fmt.Sprintf("a%d", i))
		add(fmt.Sprintf("b%d", i), i, i+1, fmt.Sprintf("b%d", i))
	}
	if _, faults := CheckTogether(members, Env{Log: quiet}); len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	add("back", streams-1, streams-3, "back")
	_, faults := CheckTogether(members, Env{Log: quiet})
	if len(faults) != 1 || !strings.HasPrefix(faults[0].Err.Error(), "to: a cycle of routes: a23, a24, back, a23") {
		t.Errorf("%+v", faults)
	}
}
