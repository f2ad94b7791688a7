package keys_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

func TestErrorIsFoundAndKeepsItsCause(t *testing.T) {
	cause := errors.New("throttled")
	err := fmt.Errorf("route orders: %w", &keys.Error{Class: keys.Away, Key: "awskms:orders", Op: "unwrap", Err: cause})

	var ke *keys.Error
	if !errors.As(err, &ke) || ke.Class != keys.Away {
		t.Fatalf("class is lost in %v", err)
	}
	if !errors.Is(err, cause) {
		t.Errorf("cause is lost in %v", err)
	}
	if got, want := ke.Error(), "awskms:orders: unwrap: throttled"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClassString(t *testing.T) {
	for class, want := range map[keys.Class]string{
		keys.Away:      "away",
		keys.Gone:      "gone",
		keys.BadWrap:   "bad wrapped key",
		keys.Class(-1): "class -1",
	} {
		if got := class.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestPassing: a KEK can be had again, a wrapped key that is wrong stays wrong.
func TestPassing(t *testing.T) {
	for class, want := range map[keys.Class]bool{keys.Away: true, keys.Gone: true, keys.BadWrap: false} {
		if got := (&keys.Error{Class: class}).Passing(); got != want {
			t.Errorf("%v: got %v", class, got)
		}
	}
}
