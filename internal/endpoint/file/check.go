package file

import (
	"context"
	"errors"
	"io/fs"
	"os"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

var (
	_ endpoint.Checker = (*recordFile)(nil)
	_ endpoint.Checker = (*rawFile)(nil)
)

// Needs implements endpoint.Checker. The rights on files are those of the
// process, and are tried out.
func (l location) Needs() []findings.Need { return nil }

// CheckSource implements endpoint.Checker.
func (l location) CheckSource(context.Context, *endpoint.Session) (*endpoint.Checked, error) {
	found := &endpoint.Checked{}
	if l.path == connector.Stream {
		return found, nil
	}
	info, err := os.Stat(l.path)
	if err != nil {
		found.AddProblem(err)
		return found, nil
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for its writer
		found.AddFact("file", "%s", info.Mode().Type())
		return found, nil
	}
	found.AddFact("size", "%d bytes", info.Size())
	f, err := os.Open(l.path)
	if err != nil {
		found.AddProblem(err)
		return found, nil
	}
	return found, f.Close()
}

// CheckSource implements endpoint.Checker.
func (f *recordFile) CheckSource(ctx context.Context, s *endpoint.Session) (*endpoint.Checked, error) {
	found, err := f.location.CheckSource(ctx, s)
	if err == nil {
		found.Lanes, found.Largest = 1, 2*largestRecord(s.Budget)
	}
	return found, err
}

// CheckSink implements endpoint.Checker.
func (l location) CheckSink(_ context.Context, s *endpoint.Session, _ *endpoint.Checked) (*endpoint.Checked, error) {
	return l.checkSink(s, s.Overwrite || s.Checkpoint != "")
}

// CheckSink implements endpoint.Checker.
func (f *recordFile) CheckSink(_ context.Context, s *endpoint.Session, _ *endpoint.Checked) (*endpoint.Checked, error) {
	found, err := f.checkSink(s, s.Overwrite || f.append || s.Checkpoint != "")
	if _, missing := os.Stat(f.path); f.append && err == nil && missing == nil {
		found.Makes = nil
		found.AddFact("writes", "behind the messages that are there")
	}
	return found, err
}

// checkSink finds out whether the output can be made.
func (l location) checkSink(s *endpoint.Session, mayExist bool) (*endpoint.Checked, error) {
	found := &endpoint.Checked{}
	if l.path == connector.Stream {
		return found, nil
	}
	if s.Checkpoint != "" && l.as == endpoint.To {
		found.Delivery = "exactly-once, by the checkpoint"
	}
	found.AddProblem(l.checkFree(mayExist))
	_, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		found.Makes = append(found.Makes, "file "+l.path)
	case err == nil && s.Overwrite:
		found.Makes = append(found.Makes, "file "+l.path+", in place of the one that is there")
	}
	return found, nil
}
