package nats

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

func TestVersionLine(t *testing.T) {
	n := &stream{stream: "S"}
	if line := n.judgeVersion("2.9.25", false); line.Level != findings.Warn || line.Remedy == "" {
		t.Errorf("%+v", line)
	}
	if line := n.judgeVersion("2.12.0", true); line.Level != findings.OK {
		t.Errorf("%+v", line)
	}
}
