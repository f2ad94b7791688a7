package nats

import (
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

func TestParseReply(t *testing.T) {
	t.Parallel()
	is := tokens{deliveries: 2, sequence: 17, number: 9, stored: time.Unix(0, 1764500000123456789), pending: 4}
	for _, reply := range []string{
		"$JS.ACK.ORDERS.enc.2.17.9.1764500000123456789.4",
		"$JS.ACK.hub.A1b2.ORDERS.enc.2.17.9.1764500000123456789.4",
		"$JS.ACK._.A1b2.ORDERS.enc.2.17.9.1764500000123456789.4.token",
	} {
		if got, err := parseReply(reply); err != nil || got != is {
			t.Errorf("%s: %+v, %v", reply, got, err)
		}
	}
	for _, reply := range []string{
		"", "$JS.ACK.", "_INBOX.a.1", "$JS.ACK.ORDERS.enc.2.17.9.1764500000123456789",
		"$JS.ACK.ORDERS.enc.2.-17.9.1.4", "$JS.ACK.ORDERS.enc.2.17.x.1.4", "$JS.ACK.ORDERS.enc.2.99999999999999999999.1.1.4",
	} {
		if got, err := parseReply(reply); err == nil {
			t.Errorf("%q: %+v", reply, got)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add("$JS.ACK.ORDERS.enc.2.17.9.1764500000123456789.4")
	f.Add("$JS.ACK._.A1b2.ORDERS.enc.2.17.9.1764500000123456789.4.token")
	f.Fuzz(func(t *testing.T, reply string) {
		if is, err := parseReply(reply); err == nil && (!isDelivery(&natsgo.Msg{Reply: reply}) || int64(is.sequence) < 0) {
			t.Fatalf("%q: %+v", reply, is)
		}
	})
}

// TestStatusHeader reads messages that look like statuses of the server: they
// are a user's, and the client library would keep them to itself.
func TestStatusHeader(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	for _, status := range []string{"100", "204", "404", "408", "409", "503", "x"} {
		m := natsgo.NewMsg("orders")
		m.Header.Set("Status", status)
		m.Header.Set("Description", "Consumer Deleted")
		b.publish(m)
	}
	b.publish(&natsgo.Msg{Subject: "orders", Data: []byte("last")})
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true}))
	same(t, v.rest(), []string{"", "", "", "", "", "", "", "last"})
	v.commit(8)
	v.leave(nil)
}
