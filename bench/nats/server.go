package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// server is one nats-server, and the client that the bench itself uses to ask
// it.
type server struct {
	cmd  *exec.Cmd
	said bytes.Buffer
	dir  string
	url  string
	nc   *natsgo.Conn
	js   jetstream.JetStream
}

// startServer starts an empty server with its files in a folder of its own in
// dir. It listens on loopback only.
func startServer(ctx context.Context, program, dir string, sync bool) (_ *server, err error) {
	s := &server{}
	if s.dir, err = os.MkdirTemp(dir, "streamcrypt-bench-nats-server-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	interval := `"2m"`
	if sync {
		interval = "always"
	}
	s.url = "nats://127.0.0.1:" + port
	config := filepath.Join(s.dir, "server.conf")
	text := fmt.Sprintf("listen: 127.0.0.1:%s\njetstream { store_dir: %q, sync_interval: %s, max_file: 32G }\n",
		port, filepath.Join(s.dir, "store"), interval)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(program, "-c", config) //nolint:gosec,noctx // just built; stop ends it, in order
	s.cmd.Stderr = &s.said
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.nc, err = natsgo.Connect(s.url, natsgo.RetryOnFailedConnect(true), natsgo.MaxReconnects(-1),
		natsgo.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	if s.js, err = jetstream.New(s.nc); err != nil {
		return nil, err
	}
	return s, s.awaitReady(ctx)
}

// awaitReady waits until the server answers.
func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := s.js.AccountInfo(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w: %s", err, s.said.Bytes())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the server and removes its files, also after an interruption.
func (s *server) stop() error {
	if s.nc != nil {
		s.nc.Close()
	}
	var err error
	if s.cmd != nil && s.cmd.Process != nil {
		err = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait() // it ends with the signal's code
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // nothing was sent
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "", errors.New("no TCP port")
	}
	return strconv.Itoa(address.Port), nil
}

// createStream makes a stream that takes the subjects name.>, in every publish
// mode.
func (s *server) createStream(ctx context.Context, name string) error {
	_, err := s.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, AllowAtomicPublish: true, AllowBatchPublish: true,
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", name, err)
	}
	return nil
}

// watchStream describes a stream that a contender fills.
func (s *server) watchStream(ctx context.Context, name string, want int) (*contest.Destination, error) {
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return &contest.Destination{
		Name: "stream " + name, Unit: "messages", Want: int64(want),
		CountMessages: func(ctx context.Context, _ bool) (int64, error) {
			info, err := stream.Info(ctx)
			if err != nil {
				return 0, err
			}
			return int64(info.State.Msgs), nil
		},
	}, nil
}
