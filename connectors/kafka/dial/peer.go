package dial

import (
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Peer is the broker at the other end of a connection, as it describes itself.
// It does not change.
type Peer struct {
	spans    map[int16]span
	features map[string]int16
}

type span struct{ least, most int16 }

// Versions returns the least and the highest version of a request that the
// broker speaks. It is false if the broker does not know the request.
func (p *Peer) Versions(api int16) (least, most int16, ok bool) {
	s, ok := p.spans[api]
	return s.least, s.most, ok
}

// Feature returns the level of a finalized feature (KIP-584), such as
// "transaction.version"; 0 if the cluster does not have it.
func (p *Peer) Feature(name string) int16 { return p.features[name] }

// PeerOf returns the broker at the other end of a connection that a Dialer
// opened; nil for other connections. kafka-go's protocol.Conn, which wraps the
// connection, passes its local address through.
func PeerOf(c any) *Peer {
	local, ok := c.(interface{ LocalAddr() net.Addr })
	if !ok {
		return nil
	}
	a, ok := local.LocalAddr().(*localAddr)
	if !ok {
		return nil
	}
	return a.peer
}

// localAddr is the local address of a connection, with the Peer.
type localAddr struct {
	net.Addr
	peer *Peer
}

const (
	errUnsupportedVersion = 35
	softwareName          = "streamcrypt"
	softwareVersion       = "1"
)

// askPeer asks for the versions and features of a broker. Brokers before Kafka
// 2.4 do not know version 3 of the request and say so in version 0.
func askPeer(x *exchanger) (*Peer, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, softwareName, softwareVersion
	body, err := x.exchange(req)
	if err != nil {
		return nil, err
	}
	if len(body) >= 2 && int16(body[0])<<8|int16(body[1]) == errUnsupportedVersion {
		req.Version = 0
		if body, err = x.exchange(req); err != nil {
			return nil, err
		}
	}
	res := kmsg.NewPtrApiVersionsResponse()
	res.Version = req.Version
	if err := res.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: versions: %w", ErrMalformed, err)
	}
	if res.ErrorCode != 0 {
		return nil, fmt.Errorf("%w: error %d instead of versions", ErrMalformed, res.ErrorCode)
	}
	return newPeer(res), nil
}

// clusterIDVersion is a version of Metadata that every broker speaks which
// speaks the versions of package wire, and the last one without tagged fields.
const clusterIDVersion = 8

// checkCluster asks a broker for its cluster, and returns an error if it is
// another one.
func checkCluster(x *exchanger, address, clusterID string) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.Topics = clusterIDVersion, []kmsg.MetadataRequestTopic{} // nil would be all topics
	body, err := x.exchange(req)
	if err != nil {
		return explainError(address, "the question for its cluster", err)
	}
	res := kmsg.NewPtrMetadataResponse()
	res.Version = req.Version
	if err := res.ReadFrom(body); err != nil {
		return fmt.Errorf("broker %s: %w: metadata: %w", address, ErrMalformed, err)
	}
	if res.ClusterID == nil || *res.ClusterID != clusterID {
		return fmt.Errorf("broker %s: %w", address, ErrOtherCluster)
	}
	return nil
}

func newPeer(res *kmsg.ApiVersionsResponse) *Peer {
	p := &Peer{
		spans:    make(map[int16]span, len(res.ApiKeys)),
		features: make(map[string]int16, len(res.FinalizedFeatures)),
	}
	for i := range res.ApiKeys {
		k := &res.ApiKeys[i]
		p.spans[k.ApiKey] = span{least: k.MinVersion, most: k.MaxVersion}
	}
	for i := range res.FinalizedFeatures {
		f := &res.FinalizedFeatures[i]
		p.features[f.Name] = f.MaxVersionLevel
	}
	return p
}
