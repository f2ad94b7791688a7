package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// want checks a line.
func want(t *testing.T, line findings.Line, check string, level findings.Level, found string) {
	t.Helper()
	if line.Check != check || line.Level != level || !strings.Contains(line.Found, found) ||
		(level != findings.OK) != (line.Remedy != "") {
		t.Errorf("%+v, want %s %s %q", line, check, level, found)
	}
}

func TestParts(t *testing.T) {
	part := Part{
		Subject: "to x", Reach: Reach, Rights: Rights, Settings: Settings,
		Advise: func(error) string { return "" },
	}
	part.Unreached = errors.New("refused")
	if lines := part.JudgePart(); len(lines) == 1 {
		want(t, lines[0], Reach, findings.Fail, "refused")
	} else {
		t.Errorf("%+v", lines)
	}
	part.Unreached = nil
	part.Report = findings.Report{
		Needs: []findings.Need{
			{Right: "Read", State: findings.Given}, {Right: "Write", State: findings.Missing, Grant: "grant it"},
			{Right: "Describe", State: findings.Missing, Optional: true}, {Right: "Id", State: findings.Unknown},
		},
		Warnings: []string{"short window"},
		Problems: []error{errors.New("few partitions")},
	}
	lines := part.JudgePart()
	if len(lines) != 6 {
		t.Fatalf("%+v", lines)
	}
	want(t, lines[0], Reach, findings.OK, "")
	want(t, lines[1], Rights, findings.Fail, "missing: Write")
	want(t, lines[2], Rights, findings.Warn, "does without")
	want(t, lines[3], Rights, findings.OK, "1 rights are given; nobody tells of Id")
	want(t, lines[4], Settings, findings.Fail, "few partitions")
	want(t, lines[5], Settings, findings.Warn, "short window")

	key := Part{
		Subject: "key k", Reach: KeyReach, Rights: KeyRights, Settings: KeyReach, Advise: part.Advise,
		Report: findings.Report{Problems: []error{errors.New("no such file")}},
	}
	if lines = key.JudgePart(); len(lines) == 1 {
		want(t, lines[0], KeyReach, findings.Fail, "no such file")
	} else {
		t.Errorf("%+v", lines)
	}
}

func TestSizes(t *testing.T) {
	end := func(n int) *endpoint.Checked { return &endpoint.Checked{MaxMessage: n} }
	if lines := JudgeSizes("to x", end(0), end(10), 0); lines != nil {
		t.Errorf("%+v", lines)
	}
	want(t, JudgeSizes("to x", end(2000), end(1000), 512)[0], MessageSize, findings.Warn, "up to 1000")
	want(t, JudgeSizes("to x", end(2000), end(2000), 512)[0], MessageSize, findings.OK, "above 1488 bytes are too large")
	want(t, JudgeSizes("to x", end(2000), end(3000), 512)[0], MessageSize, findings.OK, "up to 3000")
	want(t, JudgeSizes("to x", end(2000), end(2000), -512)[0], MessageSize, findings.OK, "up to 2000")
}

// TestClocks asks services whose clocks differ, with a clock of this machine
// that the test sets.
func TestClocks(t *testing.T) {
	tests := []struct {
		name    string
		ahead   time.Duration
		step    time.Duration // how long an answer takes
		skew    findings.Level
		latency findings.Level
	}{
		{"right", 0, 10 * time.Millisecond, findings.OK, findings.OK},
		{"a little ahead", time.Minute, 10 * time.Millisecond, findings.Warn, findings.OK},
		{"behind", -6 * time.Minute, 10 * time.Millisecond, findings.Fail, findings.OK},
		{"slow", 0, 2 * time.Second, findings.OK, findings.Warn},
		{"too slow to tell", 2 * time.Second, 10 * time.Second, findings.OK, findings.Warn},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, now := newTestHost(), time.Now()
			h.Now = func() time.Time { return now }
			timing, err := h.AskClock(t.Context(), func(context.Context) (time.Time, time.Duration, error) {
				now = now.Add(test.step)
				return now.Add(test.ahead - test.step/2).Truncate(time.Second), time.Second, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want(t, timing.JudgeSkew("key k", 0), ClockSkew, test.skew, "its clock is")
			want(t, timing.JudgeLatency("key k"), KeyLatency, test.latency, "the slowest of 3 answers")
		})
	}
	h := newTestHost()
	_, err := h.AskClock(t.Context(), func(context.Context) (time.Time, time.Duration, error) {
		return time.Time{}, 0, errors.New("away")
	})
	if err == nil {
		t.Error("no error")
	}
}

func TestAge(t *testing.T) {
	h := newTestHost()
	now := h.Now()
	want(t, h.JudgeAge("key k", now.Add(-48*time.Hour)), KeyAge, findings.OK, "2 days")
	want(t, h.JudgeAge("key k", now.Add(-400*24*time.Hour)), KeyAge, findings.Warn, "400 days")
}

func TestSharing(t *testing.T) {
	own := Neighbour{Name: "a", Keys: []string{"k1", "k2"}, Context: "orders", Sealed: "c1/orders", Shown: "kafka://c1/orders"}
	other := func(context, sealed string, keys ...string) []Neighbour {
		return []Neighbour{{Name: "b", Keys: keys, Context: context, Sealed: sealed, Shown: sealed}}
	}
	if lines := JudgeSharing(own, nil); lines != nil {
		t.Errorf("%+v", lines)
	}
	lines := JudgeSharing(own, other("orders", "c2/orders", "k2"))
	want(t, lines[0], SameName, findings.Fail, `bound to one name, "orders"`)
	want(t, lines[1], KeyShared, findings.OK, "1 other routes")
	lines = JudgeSharing(own, other("payments", "c1/payments", "k1"))
	want(t, lines[0], KeyShared, findings.Warn, "k1")
	want(t, lines[1], SameName, findings.OK, "")
	for _, fine := range [][]Neighbour{other("orders", "c1/orders", "k1"), other("orders", "c2/orders", "k3")} {
		for _, line := range JudgeSharing(own, fine) {
			if line.Level != findings.OK {
				t.Errorf("%+v", line)
			}
		}
	}
}

func TestAuditLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	want(t, CheckAudit(path), AuditLog, findings.OK, "a run makes it")
	if _, err := os.Stat(path); err == nil {
		t.Error("the check made the log")
	}
	want(t, CheckAudit(filepath.Join(dir, "none", "audit.log")), AuditLog, findings.Fail, "cannot be made")
	want(t, CheckAudit(dir), AuditLog, findings.Fail, "")
	if err := os.WriteFile(path, []byte("{\"not\":\"a line\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, CheckAudit(path), AuditLog, findings.Fail, "its chain is broken")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	want(t, CheckAudit(path), AuditLog, findings.OK, "0 lines")
	if err := os.Truncate(path, largeLog+1); err != nil { // sparse
		t.Fatal(err)
	}
	want(t, CheckAudit(path), AuditLog, findings.Warn, "not checked")
}

func TestWorst(t *testing.T) {
	line := func(l findings.Level) findings.Line { return findings.Line{Level: l} }
	for _, test := range []struct {
		lines []findings.Line
		want  findings.Level
	}{
		{nil, findings.OK}, {[]findings.Line{line(findings.OK), line(findings.Warn)}, findings.Warn},
		{[]findings.Line{line(findings.Fail), line(findings.Warn)}, findings.Fail},
	} {
		if got := FindWorst(test.lines); got != test.want {
			t.Errorf("%v: %s", test.lines, got)
		}
	}
}
