package route

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// schemes are the kinds of end that this build has.
var schemes = []string{"file", "kafka", "nats"}

// end is one end of a route as its URL says. Exactly one of file, kafka and nats is set.
type end struct {
	name  string // for logs, errors and checkpoints: without parameters
	file  *fileEnd
	kafka *kafkaEnd
	nats  *natsEnd
}

// fileEnd is a file, or with the path file.Stream standard input or output.
type fileEnd struct {
	path   string
	format format.Format
	append bool // of a sink: behind what the file holds
}

// role is which end of a route a URL names.
type role string

const (
	source     role = "from"
	sink       role = "to"
	deadLetter role = "dead letters"
)

// parseEnd reads the URL of an end.
func parseEnd(text string, as role) (end, error) {
	e, err := readEnd(text, as)
	if err != nil {
		return e, hint.Prefix(string(as), err)
	}
	return e, nil
}

func readEnd(text string, as role) (end, error) {
	if text == "" {
		return end{}, errors.New("no URL is given")
	}
	a, err := address.Parse(text)
	if errors.Is(err, address.ErrNoScheme) {
		return end{}, &hint.Error{Err: err, Hint: "write file:PATH, kafka://HOST:PORT/TOPIC or nats://HOST:PORT/STREAM"}
	}
	if err != nil {
		return end{}, err
	}
	e := end{name: a.String()}
	switch a.Scheme {
	case "file":
		e.file, err = readFileEnd(a, as)
	case "kafka":
		e.kafka, err = readKafkaEnd(a, as)
	case "nats":
		e.nats, err = readNATSEnd(a, as)
	default:
		return end{}, address.Unknown("scheme", a.Scheme, schemes)
	}
	if err != nil {
		return end{}, hint.Prefix(a.String(), err)
	}
	return e, nil
}

func readFileEnd(a *address.Address, as role) (*fileEnd, error) {
	p := a.Params()
	chosen := p.Choice("format", string(format.Raw), string(format.NDJSON), string(format.Seq))
	p.Choice("until", "end") // it always is
	appends := as == sink && p.Bool("append")
	if err := p.Done(); err != nil {
		return nil, err
	}
	f := &fileEnd{path: a.Path, format: format.OfPath(a.Path), append: appends}
	if a.Hosts != nil {
		if len(a.Hosts) > 1 || a.Hosts[0] != "" {
			return nil, &hint.Error{Err: errors.New("a file URL has no host"), Hint: "write file:PATH, or file:///PATH for an absolute path"}
		}
		f.path = "/" + a.Path
	}
	if a.Path == "" {
		return nil, errors.New("no path")
	}
	if chosen != "" {
		f.format = format.Format(chosen)
	}
	if f.append && f.format == format.Raw {
		return nil, &hint.Error{Err: errors.New("parameter append: a raw file is one payload"), Hint: formatHint}
	}
	return f, nil
}

// raw tells whether the end is one payload and not a sequence of messages.
func (e *end) raw() bool { return e.file != nil && e.file.format == format.Raw }

func (e *end) seq() bool { return e.file != nil && e.file.format == format.Seq }

// context is the context that envelopes stored at this end have unless another is configured.
func (e *end) context() string {
	switch {
	case e.kafka != nil:
		return e.kafka.topic
	case e.nats != nil:
		return e.nats.stream
	}
	return ""
}
