package route

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// natsEnd is a stream as its URL says: nats://HOST:PORT[,HOST:PORT]/STREAM?...
type natsEnd struct {
	conn   nats.ConnOptions
	stream string

	// Of a source:
	consumer string
	filters  []string
	start    nats.Start
	untilEnd bool
	ackWait  time.Duration

	// Of a sink:
	subjects nats.SubjectMap
	create   bool
	takes    []string // subjects of a stream that is created
}

func readNATSEnd(a *address.Address, as role) (*natsEnd, error) {
	if len(a.Hosts) == 0 || a.Path == "" {
		return nil, &hint.Error{Err: errors.New("no stream"), Hint: "write nats://HOST:PORT/STREAM"}
	}
	n := &natsEnd{stream: a.Path}
	p := a.Params()
	n.readConn(p)
	var err error
	if as == source {
		err = n.readSource(p)
	} else {
		err = n.readSink(p, as)
	}
	if unknown := p.Check(); unknown != nil {
		return nil, unknown // before an error about a value that is misread for want of another
	}
	if err != nil {
		return nil, err
	}
	n.conn.URL, err = serverURL(a.Hosts, n.conn.Context != "")
	return n, err
}

// serverURL writes the hosts as the client wants them. It is empty if there is none and a context may say it.
func serverURL(hosts []string, context bool) (string, error) {
	if context && len(hosts) == 1 && hosts[0] == "" {
		return "", nil
	}
	servers := make([]string, len(hosts))
	for i, host := range hosts {
		if host == "" {
			return "", &hint.Error{Err: errors.New("no host"), Hint: "write nats://HOST:PORT/STREAM, or nats:///STREAM?context=NAME"}
		}
		servers[i] = "nats://" + host
	}
	return strings.Join(servers, ","), nil
}

func (n *natsEnd) readConn(p *address.Params) {
	n.conn = nats.ConnOptions{
		Name:  "streamcrypt",
		Creds: p.ReadText(address.Param{Name: "creds"}), NKey: p.ReadText(address.Param{Name: "nkey"}),
		User: p.ReadText(address.Param{Name: "user"}), PasswordFile: p.ReadText(address.Param{Name: "password-file"}),
		TLS: p.ReadBool(address.Param{Name: "tls"}), CA: p.ReadText(address.Param{Name: "ca"}), Cert: p.ReadText(address.Param{Name: "cert"}), Key: p.ReadText(address.Param{Name: "key"}),
		Context: p.ReadText(address.Param{Name: "context"}),
	}
}

func (n *natsEnd) readSource(p *address.Params) (err error) {
	n.consumer = p.ReadText(address.Param{Name: "consumer"})
	n.filters = p.ReadList(address.Param{Name: "subject"})
	n.untilEnd = p.ReadWord(address.Param{Name: "until", Words: []string{"end"}}) != ""
	n.ackWait = p.ReadDuration(address.Param{Name: "ack-wait"})
	n.start, err = readStart(p.ReadText(address.Param{Name: "start"}))
	return err
}

// readStart reads where a new consumer begins.
func readStart(text string) (nats.Start, error) {
	switch text {
	case "", "beginning":
		return nats.Start{}, nil
	case "new":
		return nats.Start{New: true}, nil
	}
	if n, err := strconv.ParseUint(text, 10, 63); err == nil && n > 0 {
		return nats.Start{Sequence: n}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nats.Start{}, &hint.Error{
			Err:  fmt.Errorf("parameter start: %q is not a place in a stream", text),
			Hint: "start= is beginning, new, a sequence number from 1, or a time such as 2006-01-02T15:04:05Z",
		}
	}
	return nats.Start{Time: at}, nil
}

func (n *natsEnd) readSink(p *address.Params, as role) (err error) {
	to, strip := p.ReadText(address.Param{Name: "subject"}), p.ReadText(address.Param{Name: "strip"})
	n.create = p.ReadBool(address.Param{Name: "create"})
	n.takes = p.ReadList(address.Param{Name: "stream-subjects"})
	if n.subjects, err = nats.ParseSubjectMap(to, strip); err != nil {
		return fmt.Errorf("parameter subject: %w", err)
	}
	if as == deadLetter && !nats.ValidSubject(to) {
		return &hint.Error{Err: errors.New("dead letters have no subject of their own"), Hint: "name one: subject=dead.orders"}
	}
	return nil
}

// subject appends the subject under which a message is published. One that cannot be mapped is the message's fault; that it
// has none, and none is configured, is not.
func (n *natsEnd) subject(dst, own []byte) ([]byte, error) {
	out, err := n.subjects.Map(dst, own)
	if err != nil && len(own) > 0 {
		return dst, &pipeline.Reject{Reason: "header", Err: fmt.Errorf("header: %w", err)}
	}
	return out, err
}
