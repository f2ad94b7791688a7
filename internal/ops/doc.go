// Package ops tells of the routes of a process over HTTP:
//
//	/healthz       the process answers
//	/readyz        every route carries messages
//	/metrics       figures, for Prometheus
//	/              the same for people; /status.json is its source
//	/debug/pprof/  profiles, if they are asked for
//
// and takes one word: POST /routes/NAME/resume closes the breakers of a route.
//
// Files:
//
//	options.go    where to listen, and whether that may be
//	server.go     the server and its paths
//	access.go     tokens, names of hosts, limits
//	route.go      what is known of a route; readiness
//	collector.go, names.go, keys.go, work.go   the metrics
//	resume.go     closing a breaker
//	status.go, rendered.go, page.go, page.html   the status page
//
// But for that the server only reads. Names of topics, streams and keys are
// shown, and nothing of a message.
//
// The package must not know endpoints, commands or how a route works: it reads
// figures of package watch.
package ops
