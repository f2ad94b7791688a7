// Package checkpoint opens the checkpoint of a route, which both of its ends
// share.
//
// It must not know any scheme: an end says how it is named.
package checkpoint

import (
	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// key is the checkpoint in a session.
type key struct{}

// Open opens the checkpoint of a route from and to the ends with these names,
// or returns the one that the other end has opened. The route closes it. It
// returns nil if none is configured.
func Open(s *endpoint.Session, from, to string) (*file.Checkpoint, error) {
	if s.Checkpoint == "" {
		return nil, nil //nolint:nilnil // documented: none is configured
	}
	return endpoint.Share(s, key{}, func() (*file.Checkpoint, error) {
		opened, err := file.OpenCheckpoint(s.Checkpoint, file.Owner{
			From: from, To: to,
			RouteMark: file.RouteMark{Work: s.Work, Context: s.Context, Keys: s.Keys},
		})
		if err != nil {
			return nil, err
		}
		s.OnClose(opened.Close)
		return opened, nil
	})
}
