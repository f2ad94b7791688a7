package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/nats-io/nats.go/micro"
)

// ServiceOptions say how a process answers as a service of the nats micro
// protocol (nats-architecture-and-design, ADR-32).
type ServiceOptions struct {
	// Name is that of the service: letters, digits, - and _.
	Name string
	// Metadata is told to everybody who may ask: no secrets.
	Metadata map[string]string
	// Stats returns the figures to tell. It is called by several goroutines,
	// and its result is encoded in JSON; no secrets.
	Stats func() any
}

var serviceName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Check returns the error that AnswerService would return for these options
// alone.
func (o ServiceOptions) Check() error {
	if !serviceName.MatchString(o.Name) {
		return fmt.Errorf("nats: %q is not the name of a service", o.Name)
	}
	return nil
}

// AnswerService answers ping, info and stats under the name, and under
// NAME.status the figures alone, until stop is called. Every process answers
// for itself. Rights that are missing are told in the log.
func AnswerService(conn *Conn, o ServiceOptions) (stop func() error, err error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	service, err := micro.AddService(conn.nc, micro.Config{
		Name: o.Name, Version: serviceVersion(), Description: "streamcrypt", Metadata: o.Metadata,
		QueueGroupDisabled: true,
		StatsHandler:       func(*micro.Endpoint) any { return o.Stats() },
	})
	if err != nil {
		return nil, fmt.Errorf("nats service %s: %w", o.Name, err)
	}
	err = service.AddEndpoint("status", micro.HandlerFunc(func(r micro.Request) {
		text, err := json.Marshal(o.Stats())
		if err != nil {
			_ = r.Error("500", "figures cannot be encoded", nil)
			return
		}
		_ = r.Respond(text) // the one that asks may be gone
	}), micro.WithEndpointSubject(o.Name+".status"))
	if err != nil {
		_ = service.Stop()
		return nil, fmt.Errorf("nats service %s: %w", o.Name, err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), serviceEnd)
		defer cancel()
		if conn.nc.IsConnected() {
			_ = conn.nc.FlushWithContext(ctx) // answers that are on their way
		}
		return service.Stop()
	}, nil
}

// serviceEnd is how long the last answers may take.
const serviceEnd = time.Second

var semver = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// serviceVersion returns the version of the program, as the protocol has
// versions; 0.0.0 of one that was not released.
func serviceVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := strings.TrimPrefix(info.Main.Version, "v"); semver.MatchString(v) {
			return v
		}
	}
	return "0.0.0"
}
