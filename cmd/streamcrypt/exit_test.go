package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/outcome"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

func TestReport(t *testing.T) {
	refused := &envelope.Error{Reason: envelope.ReasonTampered, Err: errors.New("tampered: chunk 4")}
	message := &pipeline.MessageError{
		Origin: pipeline.Origin{Place: "orders/3", Offset: 8812},
		Err:    &pipeline.Reject{Reason: pipeline.ReasonTampered, Err: refused},
	}
	for _, c := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{
			"a message", message, exitFailed,
			"streamcrypt: orders/3@8812: tampered: chunk 4\nhint: " + reasonHints["tampered"] + "\n",
		},
		{
			"a route's own advice counts", &hint.Error{Err: message, Hint: "do this"}, exitFailed,
			"streamcrypt: orders/3@8812: tampered: chunk 4\nhint: do this\n",
		},
		{
			"a file's reason", fmt.Errorf("source x: %w: no end record", format.ErrTruncated), exitFailed,
			"streamcrypt: source x: truncated: no end record\nhint: " + reasonHints["truncated"] + "\n",
		},
		{
			"not started", &startError{&hint.Error{Err: errors.New("no key"), Hint: "name one"}}, exitNotStarted,
			"streamcrypt: no key\nhint: name one\n",
		},
		{
			"usage", &usageError{errors.New("unknown flag"), "streamcrypt verify"}, exitNotStarted,
			"streamcrypt: unknown flag\nhint: streamcrypt verify --help lists the flags\n",
		},
		{"two errors", errors.Join(errors.New("one"), errors.New("two")), exitFailed, "streamcrypt: one\nstreamcrypt: two\n"},
		{"no advice", io.ErrUnexpectedEOF, exitFailed, "streamcrypt: unexpected EOF\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			writeError(&b, c.err, findHint(c.err))
			code := outcome.Conclude(outcome.Facts{Err: c.err}).Word.Code()
			if b.String() != c.want || code != c.code {
				t.Errorf("exit code %d, want %d:\n%swant\n%s", code, c.code, b.String(), c.want)
			}
		})
	}
}
