package hint

import (
	"errors"
	"fmt"
	"testing"
)

type typedError struct{}

func (typedError) Error() string { return "typed" }

func TestExplain(t *testing.T) {
	known := errors.New("known")
	advice := []Advice{AboutError(known, "about known"), AboutType[typedError]("about the type"), AboutError(known, "too late")}
	for _, tc := range []struct {
		err  error
		want string // the hint; "" for none
	}{
		{nil, ""},
		{errors.New("other"), ""},
		{known, "about known"},
		{fmt.Errorf("here: %w", known), "about known"},
		{fmt.Errorf("here: %w", typedError{}), "about the type"},
		{errors.Join(errors.New("other"), known), "about known"},
		{fmt.Errorf("here: %w", &Error{Err: known, Hint: "its own"}), "its own"},
	} {
		got := ExplainError(tc.err, advice)
		var advised *Error
		hint := ""
		if errors.As(got, &advised) {
			hint = advised.Hint
		}
		if hint != tc.want {
			t.Errorf("%v: hint %q, want %q", tc.err, hint, tc.want)
		}
		if !errors.Is(got, tc.err) {
			t.Errorf("%v became %v", tc.err, got)
		}
	}
}

// PrefixError keeps every word of the error, wherever in it the advice stands.
func TestPrefix(t *testing.T) {
	known := errors.New("known")
	for _, tc := range []struct {
		err        error
		want, hint string
	}{
		{known, "from: known", ""},
		{New("no topic", "write one"), "from: no topic", "write one"},
		{fmt.Errorf("url: %w", &Error{Err: known, Hint: "h"}), "from: url: known", "h"},
		{PrefixError("url", &Error{Err: known, Hint: "h"}), "from: url: known", "h"},
	} {
		got := PrefixError("from", tc.err)
		var advised *Error
		hint := ""
		if errors.As(got, &advised) {
			hint = advised.Hint
		}
		if got.Error() != tc.want || hint != tc.hint || !errors.Is(got, tc.err) {
			t.Errorf("got %q with hint %q, want %q with %q", got, hint, tc.want, tc.hint)
		}
	}
}
