package alarm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// webhook posts alarms as JSON.
type webhook struct {
	url      string
	name     string // without a query, which may be a secret
	token    string // may be empty
	instance string
	client   *http.Client
}

// post is the body of a request.
type post struct {
	Version  int       `json:"version"` // 1
	Kind     Kind      `json:"kind"`
	State    string    `json:"state"`
	Route    string    `json:"route"`
	Instance string    `json:"instance"`
	Subject  string    `json:"subject"`
	Count    int       `json:"count"`
	Text     string    `json:"text"`
	Since    time.Time `json:"since"`
}

func newClient() *http.Client {
	return &http.Client{
		Timeout:       sendTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Name implements Sender.
func (h *webhook) Name() string { return "webhook " + h.name }

// Send implements Sender.
func (h *webhook) Send(ctx context.Context, a Alarm) error {
	body, err := json.Marshal(post{
		1, a.Kind, a.State(), a.Route, h.instance, a.Subject, a.Count, a.Text, a.Since.UTC(),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: the URL is none", errFinal)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "streamcrypt")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return errors.New(hideURL(err))
	}
	defer func() { _ = res.Body.Close() }()                      // it was read
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	switch {
	case res.StatusCode < 300:
		return nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout,
		res.StatusCode >= 500:
		return fmt.Errorf("the answer is %s", res.Status)
	}
	return fmt.Errorf("%w: the answer is %s", errFinal, res.Status)
}

// hideURL returns the text of a client's error without the URL, the query of
// which may be a secret.
func hideURL(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
