package nats

import (
	"context"
	"errors"
	"fmt"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// statePlace is the place of the replay check's state, if it is not the bucket
// of the lease: a file or a bucket.
type statePlace struct {
	path   string
	bucket *stream // its stream is the name of the bucket
}

// stateForm is how a place is written.
const stateForm = "nats://HOST:PORT/BUCKET or file:PATH"

var errStateName = errors.New("not the name of a KV bucket")

// KeepState implements endpoint.StateKeeper.
func (n *stream) KeepState(text string) (path string, err error) {
	if n.consumer == "" || n.shared {
		return "", hint.New("without a consumer that one process at a time owns, the replay check keeps nothing",
			"say consumer=NAME, without shared=true, on --from")
	}
	at, err := address.Parse(text)
	switch {
	case err != nil:
		return "", &hint.Error{Err: err, Hint: "write " + stateForm}
	case at.Scheme == "file" && len(n.streams) > 1:
		return "", hint.New("a file keeps the state of one stream", "name a bucket: nats://HOST:PORT/BUCKET")
	case at.Scheme == "file":
		if n.state.path, err = at.LocalPath(); err != nil {
			return "", err
		}
		return n.state.path, at.Params().Check()
	case at.Scheme != "nats":
		return "", address.NewUnknownError("scheme", at.Scheme, []string{"nats", "file"})
	case len(at.Hosts) == 0 || at.Path == "":
		return "", hint.New("no bucket", "write "+stateForm)
	}
	bucket := &stream{as: n.as, name: at.String(), stream: at.Path}
	p := at.Params()
	bucket.readConnection(p)
	if err := p.Check(); err != nil {
		return "", err
	}
	if bucket.conn.URL, err = writeServers(at.Hosts, bucket.conn.Context != ""); err != nil {
		return "", err
	}
	if !connector.ValidBucket(bucket.stream) {
		return "", fmt.Errorf("%q: %w", bucket.stream, errStateName)
	}
	if bucket.conn.Context == "" {
		if err := bucket.conn.Check(); err != nil {
			return "", err
		}
	}
	n.state.bucket = bucket
	return "", nil
}

// openState opens the place; nil if there is none.
func (n *stream) openState(ctx context.Context, s *endpoint.Session) (connector.StateStore, error) {
	switch {
	case n.state.path != "":
		return connector.NewFileState(n.state.path), nil
	case n.state.bucket == nil:
		return nil, nil //nolint:nilnil // the lease keeps it
	}
	conn, err := n.state.bucket.connect(ctx, s)
	if err != nil {
		return nil, hint.PrefixError("state", err)
	}
	var store *connector.BucketState
	err = n.state.bucket.awaitLeaders(ctx, s, func(ctx context.Context) (err error) {
		store, err = connector.OpenBucketState(ctx, conn, n.state.bucket.stream)
		return err
	})
	if err != nil {
		return nil, hint.PrefixError("state", err)
	}
	return store, nil
}

// checkState looks at the place, which changes nothing.
func (n *stream) checkState(ctx context.Context, s *endpoint.Session, found *endpoint.Checked) {
	bucket := n.state.bucket
	if bucket == nil {
		return
	}
	conn, err := bucket.connect(ctx, s)
	if err != nil {
		found.AddProblem(hint.PrefixError("state", err))
		return
	}
	switch there, err := connector.HasStream(ctx, conn, bucketOf(bucket.stream)); {
	case err != nil:
		found.AddProblem(hint.PrefixError("state", err))
	case !there:
		found.Makes = append(found.Makes, "KV bucket "+bucket.stream+", for the state of the replay check")
	}
}
