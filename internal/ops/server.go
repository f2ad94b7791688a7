package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

const (
	headerTime = 5 * time.Second // for the lines of a request
	// answerTime bounds an answer. A profile takes 30 s unless it is asked for
	// a shorter one.
	answerTime = 45 * time.Second
	idleTime   = 2 * time.Minute
	maxHeaders = 8 << 10
	// maxConnections bounds the memory that clients can take which read and
	// write nothing. Further ones wait.
	maxConnections = 64
)

// Source is the process that is told of.
type Source struct {
	// Version is that of the program.
	Version string
	// Routes returns how all routes stand. It is called for each request, by
	// several goroutines at a time.
	Routes func() []Route
	// Configuration tells of the file of all routes; nil if there is none.
	Configuration func() Configuration
	// Hint returns the advice about the cause of a parked place, "" if there is
	// none. It may be nil.
	Hint func(cause error) string
	Log  *slog.Logger
}

// Configuration is a file that a process reads its routes from.
type Configuration struct {
	File   string    `json:"file"`
	Loaded time.Time `json:"loaded"` // the content in use
	// Refused is why the content of the file as it is now is not in use; "" if
	// it is.
	Refused string `json:"refused,omitempty"`
}

// Server is a server that listens. The caller closes it.
type Server struct {
	source   Source
	http     http.Server
	listener net.Listener
	rendered rendered
	ended    chan struct{}
}

// Start begins to listen, and serves until Close. An error is a mistake of the
// options, or the address is not free. ctx ends the looking up of the address.
func Start(ctx context.Context, o Options, s Source) (*Server, error) {
	if err := o.Check(s.Log); err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	host, port, _ := net.SplitHostPort(o.Address)
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	listener = netutil.LimitListener(listener, maxConnections)
	if o.Certificate != "" {
		warned := slog.New(slog.DiscardHandler) // of the mode, by Check
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return o.loadCertificate(warned) },
		})
	}
	server := &Server{source: s, listener: listener, ended: make(chan struct{})}
	server.http = http.Server{
		Handler: server.routePaths(&o, isLoopback(host)), ReadHeaderTimeout: headerTime, ReadTimeout: headerTime,
		WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	go server.serveAll()
	s.Log.Info("ops server", "address", server.Address(), "tls", o.Certificate != "", "token", o.TokenFile != "")
	return server, nil
}

// Address returns the address that the server listens on.
func (s *Server) Address() string { return s.listener.Addr().String() }

func (s *Server) serveAll() {
	defer close(s.ended)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		s.source.Log.Error("the ops server has ended", "error", err)
	}
}

// Close ends the server with all requests that are being answered.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.ended
	return err
}

// routePaths returns the handler of all paths. Those that load balancers ask
// need no token and tell no more than a word.
func (s *Server) routePaths(o *Options, local bool) http.Handler {
	guarded := http.NewServeMux()
	guarded.Handle("GET /metrics", s.serveMetrics())
	guarded.HandleFunc("GET /status.json", s.serveStatus)
	guarded.HandleFunc("GET /{$}", servePage)
	guarded.HandleFunc("POST /routes/{name}/resume", s.serveResume(o))
	if o.Profiles {
		guarded.HandleFunc("GET /debug/pprof/", pprof.Index)
		// URLs of the command line are shown elsewhere, without their secrets.
		guarded.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
		guarded.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		guarded.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		guarded.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	handler := limit(guarded)
	if o.TokenFile != "" {
		handler = requireToken(o.TokenFile, handler)
	}
	all := http.NewServeMux()
	all.Handle("/", handler)
	all.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { sayWord(w, http.StatusOK, "ok") })
	all.HandleFunc("GET /readyz", s.serveReady)
	if local && o.TokenFile == "" {
		return requireLocalName(all)
	}
	return all
}

// serveReady tells whether every route carries messages.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	for _, r := range s.source.Routes() {
		if len(r.reasonsAgainst()) > 0 {
			sayWord(w, http.StatusServiceUnavailable, "not ready")
			return
		}
	}
	sayWord(w, http.StatusOK, "ready")
}

func sayWord(w http.ResponseWriter, code int, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, word+"\n") // the client may have gone
}

// serveMetrics returns the handler of /metrics, with a registry of its own:
// nothing that a library registers by itself is shown.
func (s *Server) serveMetrics() http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(
		&collector{source: &s.source},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.source.Log.Handler(), slog.LevelWarn), Timeout: answerTime,
	})
}
