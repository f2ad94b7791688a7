package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// TestBusyCoordinator: a coordinator that ends another transaction for long is
// looked for again, by way of another broker. It may be cut off.
func TestBusyCoordinator(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers func(i int) error // each 100 ms
		doubted int               // in ten seconds
	}{
		"busy": {func(int) error { return kafkago.ConcurrentTransactions }, 4},
		"busy now and then": {func(i int) error {
			if i%10 == 0 {
				return nil
			}
			return kafkago.ConcurrentTransactions
		}, 0},
		"busy, and slow": {func(i int) error {
			if i%15 == 0 {
				return kafkago.ConcurrentTransactions
			}
			return kafkago.UnknownMemberId
		}, 0},
		"well": {func(int) error { return nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := new(Cluster)
				c.noteBrokers([]wire.Broker{{ID: 1}, {ID: 2}})
				k, doubted := c.TransactionCoordinator("id"), 0
				for i := range 100 {
					k.broker = 1
					k.NoteCode(test.answers(i))
					if k.broker < 0 {
						doubted++
						if c.anyBroker() == 1 {
							t.Error("the coordinator itself is asked who coordinates")
						}
					}
					time.Sleep(100 * time.Millisecond)
				}
				if doubted != test.doubted {
					t.Errorf("%d times in doubt, want %d", doubted, test.doubted)
				}
			})
		})
	}
}
