package envelope_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
)

// openRecord opens a record of a topic that "streamcrypt encrypt" has written.
// It returns nil for a tombstone.
func openRecord(ctx context.Context, opener *envelope.Opener, r *kgo.Record) ([]byte, error) {
	b := envelope.Binding{Key: r.Key}
	for _, h := range r.Headers { // all of them, in their order
		b.Headers = append(b.Headers, envelope.Header{Name: h.Key, Value: h.Value})
	}
	if r.Value != nil {
		return opener.Open(ctx, nil, r.Value, b)
	}
	// Compaction needs the null value, so a header carries the envelope.
	for _, h := range r.Headers {
		if h.Key == "streamcrypt" {
			b.Kind = envelope.Tombstone
			_, err := opener.Open(ctx, nil, h.Value, b)
			return nil, err
		}
	}
	return nil, errors.New("a tombstone that nobody has sealed")
}

// A consumer of your own opens records with the key and the name of the topic.
// It is the same for other clients: a record has a key, a value and headers.
func Example_kafkaRecord() {
	kek, ctx := newExampleKEK(), context.Background()
	opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{
		Context: "orders.sealed", // the topic, unless the route says --context
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range sealedRecords(ctx, kek) { // client.PollFetches(ctx) in your consumer
		value, err := openRecord(ctx, opener, r)
		fmt.Printf("%s: %q, %v\n", r.Key, value, err)
	}
	// Output:
	// order-117: "paid", <nil>
	// order-116: "", <nil>
	// order-115: "", a tombstone that nobody has sealed
}

// sealedRecords stands for the topic.
func sealedRecords(ctx context.Context, kek keys.Wrapper) []*kgo.Record {
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{Context: "orders.sealed"})
	if err != nil {
		log.Fatal(err)
	}
	paid, gone := []byte("order-117"), []byte("order-116")
	value, err := sealer.Seal(ctx, nil, []byte("paid"), envelope.Binding{Key: paid})
	if err != nil {
		log.Fatal(err)
	}
	tombstone, err := sealer.Seal(ctx, nil, nil, envelope.Binding{Key: gone, Kind: envelope.Tombstone})
	if err != nil {
		log.Fatal(err)
	}
	return []*kgo.Record{
		{Key: paid, Value: value},
		{Key: gone, Headers: []kgo.RecordHeader{{Key: "streamcrypt", Value: tombstone}}},
		{Key: []byte("order-115")},
	}
}
