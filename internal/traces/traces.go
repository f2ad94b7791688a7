// Package traces sends the work of routes to an OpenTelemetry collector: a span
// for each batch, with its steps below it, and one for each call of a key
// service or a key store.
//
//	traces.go    Start, Close, and the settings
//	route.go     the spans of a route: the observers of pipeline and kekcache
//	span.go      the parts of a span, in OpenTelemetry's types
//	parent.go    the traceparent of a message, which becomes a link
//	sender.go    the bounded queue, and the goroutine that empties it
//	client.go    requests to a collector: OTLP over HTTP
//	variables.go the standard variables of the environment
//
// Nothing waits for a collector: spans lie in a bounded queue, and those that
// have no room in it are dropped. A span has names (of routes, places, keys),
// counts, times and errors, and never a value, a key or a header of a message.
//
// OpenTelemetry is known here and nowhere else: its types of the wire, and not
// its library (docs/rationale.md says why). The package must not know ends or
// configuration.
package traces

import (
	"context"
	"log/slog"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Options say where spans go. Endpoint and Log are required.
type Options struct {
	// Endpoint is the URL of a collector, such as http://127.0.0.1:4318.
	Endpoint string
	// Version and Instance are the program's and this process's.
	Version, Instance string
	Log               *slog.Logger
}

// tracesPath is where a collector takes spans (the specification of OTLP/HTTP).
const tracesPath = "v1/traces"

// Check finds mistakes in the settings, those of the environment included,
// without a connection.
func (o *Options) Check() error {
	_, _, err := o.readSettings()
	return err
}

// readSettings returns where requests go, and the settings of the environment.
func (o *Options) readSettings() (*url.URL, *variables, error) {
	target, err := readEndpoint(o.Endpoint)
	if err != nil {
		return nil, nil, hint.PrefixError("otel", err)
	}
	v, err := readVariables()
	return target, v, err
}

// readEndpoint returns where requests go.
func readEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, hint.New("not a URL of http or https", "http://127.0.0.1:4318") // the error may show a secret
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, hint.New(u.Host+" is another machine, and http is read by everyone between",
			"use https, or a collector beside this process")
	case u.User != nil || u.RawQuery != "":
		return nil, hint.New("the URL has a password or a query",
			"put a token into OTEL_EXPORTER_OTLP_HEADERS, as authorization=Bearer%20TOKEN")
	}
	if !strings.HasSuffix(u.Path, "/"+tracesPath) {
		u.Path = path.Join("/", u.Path, tracesPath)
	}
	return u, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// Traces sends spans until it is closed. It is safe for concurrent use.
type Traces struct {
	sender *sender
	share  float64 // of the batches and calls that are sent

	end     context.CancelFunc
	sending sync.WaitGroup
}

// Start begins to send spans. The caller closes it after all routes have ended.
func Start(o Options) (*Traces, error) {
	target, v, err := o.readSettings()
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	t := &Traces{sender: newSender(newClient(target, v, o.Log), v.describeProcess(&o)), share: v.share, end: end}
	t.sending.Go(func() { t.sender.run(ctx) })
	return t, nil
}

// Close sends the spans that are left, for two seconds at most, and not at all
// while the collector is away.
func (t *Traces) Close() {
	t.end()
	t.sending.Wait()
}
