package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamSettings are the settings of a stream that decide about its messages.
type StreamSettings struct {
	// MaxMessage is how long a message may be in bytes, headers included.
	MaxMessage int
	// Duplicates is the window in which a message id is known.
	Duplicates time.Duration
	MaxAge     time.Duration // 0: messages stay
	Replicas   int
	InMemory   bool
	// Time is the server's, when it answered; zero if it does not tell.
	Time time.Time
}

// ReadSettings asks for the settings of a stream.
func ReadSettings(ctx context.Context, conn *Conn, name string) (*StreamSettings, error) {
	stream, err := conn.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("nats stream %s: %w", name, err)
	}
	info := stream.CachedInfo()
	s := &StreamSettings{
		MaxMessage: int(conn.nc.MaxPayload()), Duplicates: info.Config.Duplicates, MaxAge: info.Config.MaxAge,
		Replicas: info.Config.Replicas, InMemory: info.Config.Storage == jetstream.MemoryStorage, Time: info.TimeStamp,
	}
	if own := int(info.Config.MaxMsgSize); own > 0 {
		s.MaxMessage = min(s.MaxMessage, own)
	}
	return s, nil
}

// ServerVersion returns the version of the server that we are connected to.
func (c *Conn) ServerVersion() string { return c.nc.ConnectedServerVersion() }

// IsAtLeast tells whether that server has this version or a later one.
func (c *Conn) IsAtLeast(major, minor int) bool { return c.isAtLeast(major, minor) }
