package route

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/time/rate"

	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// pace limits how many bytes of plaintext a route carries in a second. All its
// lanes and workers share it. A nil pace limits nothing.
type pace struct{ limiter *rate.Limiter }

var errRate = errors.New("rate must not be negative")

// burstTime is for how long a route may go on at full speed after it stood
// still.
const burstTime = 100 * time.Millisecond

// newPace returns the pace of so many bytes per second; nil for 0.
func newPace(bytes int64) *pace {
	if bytes <= 0 {
		return nil
	}
	burst := max(1, bytes*int64(burstTime)/int64(time.Second))
	if bytes > 1<<32 {
		burst = 1 << 30
	}
	return &pace{rate.NewLimiter(rate.Limit(bytes), int(burst))}
}

// take waits until n bytes may pass, or ctx ends.
func (p *pace) take(ctx context.Context, n int) error {
	if p == nil {
		return nil
	}
	for n > 0 {
		part := min(n, p.limiter.Burst())
		n -= part
		turn := p.limiter.ReserveN(time.Now(), part)
		if wait := turn.Delay(); wait > 0 {
			if err := retry.Sleep(ctx, wait); err != nil {
				turn.Cancel()
				return err
			}
		}
	}
	return nil
}

// paced is a Transform that keeps a pace: of the messages that it is given, or
// if it opens them of those that it returns.
type paced struct {
	pipeline.Transform
	pace  *pace
	opens bool
}

// Append implements pipeline.Transform.
func (t *paced) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if !t.opens {
		if err := t.pace.take(ctx, len(m.Key)+len(m.Value)); err != nil {
			return dst, err
		}
		return t.Transform.Append(ctx, dst, m)
	}
	out, err := t.Transform.Append(ctx, dst, m)
	if err != nil {
		return out, err
	}
	if err := t.pace.take(ctx, len(m.Key)+len(out)-len(dst)); err != nil {
		clear(out[len(dst):])
		return dst, err
	}
	return out, nil
}

// paceTransforms wraps the transforms that a function makes.
func (r *records) paceTransforms(newTransform func() (pipeline.Transform, error)) func() (pipeline.Transform, error) {
	if r.pace == nil {
		return newTransform
	}
	opens := (r.do == decrypt || r.do == verify) && !r.converts
	return func() (pipeline.Transform, error) {
		t, err := newTransform()
		return &paced{Transform: t, pace: r.pace, opens: opens}, err
	}
}

// pacedReader and pacedWriter keep a pace for a payload that is no message.
type pacedReader struct {
	io.Reader
	ctx  context.Context //nolint:containedctx // io.Reader has no room for it
	pace *pace
}

// Read implements io.Reader.
func (r *pacedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if late := r.pace.take(r.ctx, n); late != nil {
		return 0, late
	}
	return n, err
}

type pacedWriter struct {
	io.Writer
	ctx  context.Context //nolint:containedctx // io.Writer has no room for it
	pace *pace
}

// Write implements io.Writer.
func (w *pacedWriter) Write(p []byte) (int, error) {
	if err := w.pace.take(w.ctx, len(p)); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// paceReader returns a reader that keeps the pace.
func (p *pace) paceReader(ctx context.Context, r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return &pacedReader{r, ctx, p}
}

// paceWriter returns a writer that keeps the pace.
func (p *pace) paceWriter(ctx context.Context, w io.Writer) io.Writer {
	if p == nil {
		return w
	}
	return &pacedWriter{w, ctx, p}
}
