package route

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestPlaces: a place is named by the identity of its log and its number, as
// far as the source has them, and not at all if one of them is not known.
func TestPlaces(t *testing.T) {
	whole, log := endpoint.Identity("whole"), endpoint.Identity("log")
	identify := func(name string) endpoint.Identity {
		if name == "strange" {
			return nil
		}
		return log
	}
	number := func(name string) (int32, bool) {
		numbers := map[string]int32{"a": 3, "strange": 3, "negative": -1, "last": 65535, "large": 65536}
		n, ok := numbers[name]
		return n, ok
	}
	one := endpoint.Source{Identity: whole, Ordered: true}
	logs := endpoint.Source{Identity: whole, IdentifyPlace: identify, RisingTerms: true}
	parts := endpoint.Source{Identity: whole, NumberPlace: number}
	both := endpoint.Source{IdentifyPlace: identify, NumberPlace: number}
	for _, test := range []struct {
		in   *endpoint.Source
		name string
		want transform.Place
	}{
		{&endpoint.Source{}, "a", transform.Place{}},
		{&one, "a", transform.Place{Source: whole.Short(), Ordered: true}},
		{&logs, "a", transform.Place{Source: log.Short(), Rising: true}},
		{&logs, "strange", transform.Place{}},
		{&parts, "a", transform.Place{Source: whole.Short(), Partition: 3, SamePartition: true}},
		{&parts, "last", transform.Place{Source: whole.Short(), Partition: 65535, SamePartition: true}},
		{&parts, "large", transform.Place{}},
		{&parts, "negative", transform.Place{}},
		{&parts, "none", transform.Place{}},
		{&both, "a", transform.Place{Source: log.Short(), Partition: 3, SamePartition: true}},
		{&both, "strange", transform.Place{}},
		{&both, "none", transform.Place{}},
	} {
		if got := newPlaces(test.in, true)(test.name); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	if place := newPlaces(&parts, false)("a"); place.SamePartition || place.Partition != 3 {
		t.Errorf("%+v", place)
	}
}
