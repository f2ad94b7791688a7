package all

import (
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// TestLookURLs has ends with all their parameters name themselves as sources
// that are only looked at: such a URL is accepted, and keeps the way to the
// servers.
func TestLookURLs(t *testing.T) {
	for _, test := range []struct {
		url    string
		as     endpoint.Role
		topics []string
		want   string
	}{
		{
			"kafka://h:9092/orders?group=g&session=10s&rebalance=20s&membership=classic&tls=true&ca=/a%20b.pem&rack=r",
			endpoint.From, nil, "kafka://h:9092/orders?tls=true&ca=/a%20b.pem&rack=r",
		},
		{
			"kafka://h:9092/{topic}.sealed?create=true&expired=accept&oversize=reject&compression=lz4&partition=same&" +
				"delivery=at-least-once&tls=true",
			endpoint.To, []string{"a.sealed", "b.sealed"}, "kafka://h:9092/a.sealed,b.sealed?tls=true",
		},
		{
			"nats://h/ORDERS?consumer=c&ack-wait=2s&lease=L&service=svc&subject=a.>&domain=D",
			endpoint.From, nil, "nats://h/ORDERS?subject=a.%3E&domain=D",
		},
		{
			"nats://h/SEALED?create=true&stream-subjects=s.>&lease=L&subject=s.>&strip=a&publish=async&sync=always&domain=D",
			endpoint.To, nil, "nats://h/SEALED?domain=D",
		},
	} {
		end, err := Table().Parse(test.url, test.as)
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		got := end.(endpoint.Viewer).LookURL(test.topics)
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.url, got, test.want)
		}
		if _, err := Table().Parse(got, endpoint.Look); err != nil && !strings.Contains(err.Error(), "no such file") {
			t.Errorf("%s: %v", got, err)
		}
	}
}
