package envelope_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
)

// openMessage opens a message of a stream that "streamcrypt encrypt" has
// written.
func openMessage(ctx context.Context, opener *envelope.Opener, m *nats.Msg) ([]byte, error) {
	b := envelope.Binding{Subject: []byte(m.Subject)}
	for name, values := range m.Header { // the Opener knows which of them count, and sorts them
		for _, value := range values {
			b.Headers = append(b.Headers, envelope.Header{Name: name, Value: []byte(value)})
		}
	}
	if key, ok := m.Header["Streamcrypt-Key"]; ok { // NATS has no record keys: one that came along is here
		var err error
		if b.Key, err = base64.RawURLEncoding.DecodeString(key[0]); err != nil {
			return nil, err
		}
	}
	return opener.Open(ctx, nil, m.Data, b)
}

// A consumer of your own opens messages with the key and the name of the
// stream.
func Example_natsMsg() {
	kek, ctx := newExampleKEK(), context.Background()
	opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{
		Context: "ORDERS-SEALED", // the stream, unless the route says --context
		Bind:    envelope.Bind{Medium: envelope.Stream},
	})
	if err != nil {
		log.Fatal(err)
	}
	m := sealedMessage(ctx, kek) // consumer.Next() in your program
	data, err := openMessage(ctx, opener, m)
	fmt.Printf("%s: %s, %v\n", m.Subject, data, err)

	m.Subject = "enc.orders.us" // somebody publishes it again
	_, err = openMessage(ctx, opener, m)
	fmt.Println(err)
	// Output:
	// enc.orders.eu: paid, <nil>
	// tampered
}

// sealedMessage stands for the stream.
func sealedMessage(ctx context.Context, kek keys.Wrapper) *nats.Msg {
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{
		Context: "ORDERS-SEALED", Bind: envelope.Bind{Medium: envelope.Stream},
	})
	if err != nil {
		log.Fatal(err)
	}
	m := nats.NewMsg("enc.orders.eu")
	b := envelope.Binding{Subject: []byte(m.Subject), Key: []byte("order-117")}
	m.Data, err = sealer.Seal(ctx, nil, []byte("paid"), b)
	if err != nil {
		log.Fatal(err)
	}
	m.Header.Set("Streamcrypt-Key", base64.RawURLEncoding.EncodeToString(b.Key))
	return m
}
