package nats

import (
	"context"
	"fmt"
	"testing"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

func TestMayGoWithout(t *testing.T) {
	t.Parallel()
	noRights := fmt.Errorf("bucket: %w", connector.ErrNoLease)
	for _, is := range []struct {
		err  error
		kept bool
		want bool
	}{
		{noRights, false, true},
		{noRights, true, false},
		{context.DeadlineExceeded, false, false},
		{nil, false, false},
	} {
		if got := mayGoWithout(is.err, is.kept); got != is.want {
			t.Errorf("%v, %v: %v", is.err, is.kept, got)
		}
	}
}

// TestPlacesOf: the places of several topics have names of their own, and one
// that cannot be named has none.
func TestPlacesOf(t *testing.T) {
	t.Parallel()
	name := func(text string) endpoint.Identity {
		id, err := endpoint.EncodeIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	whole, orders, bills := name("whole"), name("orders"), name("bills")
	numbers := map[string]int32{"orders/3": 3, "bills/3": 3, "gone/3": 3, "orders/70000": 70000}
	identities := map[string]endpoint.Identity{"orders/3": orders, "bills/3": bills}
	number := func(place string) (int32, bool) {
		n, ok := numbers[place]
		return n, ok
	}
	none := [5]byte{}
	for what, is := range map[string]struct {
		in     endpoint.Source
		place  string
		source [5]byte
		part   uint32
	}{
		"a stream":           {endpoint.Source{Identity: whole}, "ORDERS", whole.Short(), 0},
		"no identity":        {endpoint.Source{}, "ORDERS", none, 0},
		"one topic":          {endpoint.Source{Identity: whole, NumberPlace: number}, "orders/3", whole.Short(), 3},
		"no partition":       {endpoint.Source{Identity: whole, NumberPlace: number}, "x", none, 0},
		"a high partition":   {endpoint.Source{Identity: whole, NumberPlace: number}, "orders/70000", none, 0},
		"one of two":         {endpoint.Source{NumberPlace: number, IdentifyPlace: func(p string) endpoint.Identity { return identities[p] }}, "orders/3", orders.Short(), 3},
		"the other":          {endpoint.Source{NumberPlace: number, IdentifyPlace: func(p string) endpoint.Identity { return identities[p] }}, "bills/3", bills.Short(), 3},
		"one of two streams": {endpoint.Source{IdentifyPlace: func(string) endpoint.Identity { return orders }}, "ORDERS", orders.Short(), 0},
		"a topic without id": {endpoint.Source{NumberPlace: number, IdentifyPlace: func(p string) endpoint.Identity { return identities[p] }}, "gone/3", none, 0},
	} {
		if source, part := placesOf(&is.in)(is.place); source != is.source || part != is.part {
			t.Errorf("%s: %x, %d", what, source, part)
		}
	}
}
