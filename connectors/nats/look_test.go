package nats

import "testing"

// TestSubjectRules: a pattern is allowed if all of it is, and none of it is
// denied.
func TestSubjectRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rules   subjectRules
		pattern string
		want    bool
	}{
		{subjectRules{}, "orders.>", true},
		{subjectRules{Allow: []string{"orders.>"}}, "orders.eu", true},
		{subjectRules{Allow: []string{"orders.>"}}, "orders.>", true},
		{subjectRules{Allow: []string{"orders.*"}}, "orders.>", false},
		{subjectRules{Allow: []string{"other"}}, "orders.eu", false},
		{subjectRules{Deny: []string{"orders.eu"}}, "orders.>", false},
		{subjectRules{Deny: []string{"orders.>"}}, "orders.eu", false},
		{subjectRules{Deny: []string{"other.>"}}, "orders.eu", true},
		{subjectRules{Allow: []string{">"}, Deny: []string{"$JS.API.>"}}, "$JS.API.STREAM.INFO.ORDERS", false},
	} {
		if got := c.rules.allows(c.pattern); got != c.want {
			t.Errorf("%+v allows %s: %t", c.rules, c.pattern, got)
		}
	}
}
