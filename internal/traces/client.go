package traces

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// client posts spans to a collector. It says once that the collector is away,
// and once that it is back. One goroutine uses it.
type client struct {
	url    string
	header http.Header // with secrets
	http   *http.Client
	log    *slog.Logger
	away   atomic.Bool
}

// pauses lie between the tries of one request, which is tried for requestTime.
var pauses = retry.Policy{First: time.Second, Longest: 10 * time.Second}

const (
	requestTime = 30 * time.Second
	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 64 << 10
)

func newClient(target *url.URL, v *variables, log *slog.Logger) *client {
	return &client{url: target.String(), header: v.header, log: log, http: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: v.tls, ForceAttemptHTTP2: true,
			IdleConnTimeout: time.Minute,
		},
		Timeout:       v.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send posts a body, again and again where that may help. A body that is not
// taken within half a minute is dropped.
func (c *client) send(ctx context.Context, body []byte) {
	try, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	for waits := pauses.Begin(); ; {
		again, err := c.post(try, body)
		if err != nil && ctx.Err() != nil {
			return // the process ends
		}
		c.noteState(err)
		if err == nil || !again || waits.Wait(try) != nil {
			return
		}
	}
}

// post sends one request. again says that another one may go well.
func (c *client) post(ctx context.Context, body []byte) (again bool, _ error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "streamcrypt")
	res, err := c.http.Do(req)
	if err != nil {
		return true, err
	}
	defer func() { _ = res.Body.Close() }()                         // it was read
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	default:
		if res.StatusCode < http.StatusMultipleChoices {
			return false, nil
		}
	}
	return again, fmt.Errorf("the answer is %s", res.Status)
}

// noteState says that the collector is away or back, if that has changed.
func (c *client) noteState(err error) {
	switch away := err != nil; {
	case c.away.Swap(away) == away:
	case away:
		c.log.Warn("spans are not taken by the collector, and dropped while it is so", "collector", c.url, "error", err)
	default:
		c.log.Info("spans are taken by the collector again", "collector", c.url)
	}
}
