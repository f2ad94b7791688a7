package testcontainers

import (
	"testing"
	"time"
)

// testCertificates: a member's certificate is replaced while it runs. Its
// connections are good as long as they last. When the broker has been started
// again the new certificate is refused, since a stranger has signed it; the
// member goes on by itself with one that is good again.
func (k *securedKafka) testCertificates(t *testing.T) {
	const query = "ca=%s/ca.pem&cert=%s/turning.pem&key=%s/turning.key"
	day := time.Now().Add(24 * time.Hour)
	k.ca.sign("turning", day)
	k.topic(t, "turned", 2)
	k.topic(t, "turned.enc", 2, "max.message.bytes", "1100000")
	p := start(t, "encrypt", "--key", k.key, "--from", k.at("MTLS", "turned", "group=turned&"+query), "--to", k.at("MTLS", "turned.enc", query))
	s := series{partitions: 2, n: 3000, large: 1 << 30}
	k.carry(t, "turned", "turned.enc", s, 0, 1000)
	k.stranger.sign("turning", day)
	k.carry(t, "turned", "turned.enc", s, 1000, 2000) // on connections of before
	k.restart(t)
	p.awaitLog(t, "certificate refused", 1)
	k.ca.sign("turning", day)
	k.carry(t, "turned", "turned.enc", s, 2000, 3000)
	p.end(t)
}
