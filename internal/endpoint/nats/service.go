package nats

import (
	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/watch"
)

func (n *stream) readService(p *address.Params) error {
	n.service = p.ReadText(address.Param{
		Name:   "service",
		Text:   "the name under which the process answers nats micro: ping, info, and the route's figures as stats",
		Values: "NAME", Default: "(it does not answer)",
	})
	if n.service == "" {
		return nil
	}
	return connector.ServiceOptions{Name: n.service}.Check()
}

// figures are the answer of a service about its route. The only text in it are
// names of streams and reasons.
type figures struct {
	Read     int64            `json:"read"`
	Written  int64            `json:"written"`
	Skipped  int64            `json:"skipped"`
	BytesIn  int64            `json:"bytes_in"`
	BytesOut int64            `json:"bytes_out"`
	Rejected map[string]int64 `json:"rejected"` // by reason
	Lag      int64            `json:"lag"`      // -1: not known
	Lanes    int64            `json:"lanes"`
	Lost     int64            `json:"lost_lanes"`
	Parked   []string         `json:"parked"` // places
}

// maxParked is how many parked places are named.
const maxParked = 100

func readFigures(w *watch.Route) figures {
	t := w.Totals()
	f := figures{
		Read: t.Read, Written: t.Written, Skipped: t.Skipped, BytesIn: t.BytesIn, BytesOut: t.BytesOut,
		Rejected: map[string]int64{}, Lag: w.Lag(), Lanes: t.Lanes, Lost: t.LostLanes,
		Parked: w.ParkedPlaces(maxParked),
	}
	for reason, n := range t.Rejected {
		f.Rejected[string(reason)] = n
	}
	if f.Parked == nil {
		f.Parked = []string{}
	}
	return f
}

// answerService answers for the route until it is closed, if the URL says so.
func (n *stream) answerService(s *endpoint.Session, conn *connector.Conn) error {
	if n.service == "" {
		return nil
	}
	stop, err := connector.AnswerService(conn, connector.ServiceOptions{
		Name:     n.service,
		Metadata: map[string]string{"work": s.Work, "from": n.stream, "instance": s.Instance},
		Stats:    func() any { return readFigures(s.Watch) },
	})
	if err != nil {
		return err
	}
	s.OnClose(stop)
	return nil
}
