package route

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamcrypt/streamcrypt/internal/doctor"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// newDoctorHost returns a machine whose clock is off by skew.
func newDoctorHost(skew time.Duration) *doctor.Host {
	h := doctor.NewHost(nil)
	h.Now = func() time.Time { return time.Now().Add(skew) }
	return h
}

// diagnose looks at a route, and checks that each line that is not ok has a
// remedy.
func diagnose(t *testing.T, direction string, c Config, skew time.Duration, others ...Neighbour) []findings.Line {
	t.Helper()
	c.Wait = new(time.Duration)
	lines, err := Diagnose(t.Context(), direction, c, others, newDoctorHost(skew), Env{Log: quiet})
	must(t, err)
	for _, line := range lines {
		if line.Level != findings.OK && line.Remedy == "" || line.Subject == "" || line.Found == "" {
			t.Errorf("no remedy, or no words: %+v", line)
		}
	}
	return lines
}

// wantLine looks for a line about a subject.
func wantLine(t *testing.T, lines []findings.Line, check, subject string, level findings.Level, found string) {
	t.Helper()
	var near []findings.Line
	for _, line := range lines {
		if line.Check != check || !strings.HasPrefix(line.Subject, subject) {
			continue
		}
		if line.Level == level && strings.Contains(line.Found, found) {
			return
		}
		near = append(near, line)
	}
	t.Errorf("no line %s of %s is %s with %q, but %+v", check, subject, level, found, near)
}

// wantNone refuses lines that are not ok, but for some checks.
func wantNone(t *testing.T, lines []findings.Line, but ...string) {
	t.Helper()
	for _, line := range lines {
		if line.Level != findings.OK && !strings.Contains(strings.Join(but, " "), line.Check) {
			t.Errorf("%+v", line)
		}
	}
}

func TestDiagnoseTopics(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	b.topic(t, "sealed", 2, map[string]string{"max.message.bytes": "2000000"})
	b.put(t, mixed("plain", 10, 2)...)
	c := Config{From: b.url + "/plain?group=enc", To: b.url + "/sealed", Keys: []string{"local:k.jwk"}}
	lines := diagnose(t, "encrypt", c, 0)
	wantNone(t, lines)
	for _, check := range []string{doctor.Reach, doctor.Version, doctor.Settings} {
		wantLine(t, lines, check, "from kafka:", findings.OK, "")
		wantLine(t, lines, check, "to kafka:", findings.OK, "")
	}
	wantLine(t, lines, doctor.MessageSize, "to ", findings.OK, "2000000")
	wantLine(t, lines, doctor.ClockSkew, "from ", findings.OK, "Kafka does not tell")
	wantLine(t, lines, doctor.KeyAge, "key local:", findings.OK, "0 days")
	wantLine(t, lines, doctor.Memory, "host", findings.OK, "")

	small := c
	b.topic(t, "small", 1, map[string]string{"max.message.bytes": "1000"})
	small.To = b.url + "/small?partition=key&oversize=reject"
	lines = diagnose(t, "encrypt", small, 0)
	wantLine(t, lines, doctor.MessageSize, "to ", findings.Warn, "up to 1000")
	small.To = b.url + "/small"
	wantLine(t, diagnose(t, "encrypt", small, 0), doctor.Settings, "to ", findings.Fail, "it has 1 and the source has 2")
	small.To = b.url + "/none"
	wantLine(t, diagnose(t, "encrypt", small, 0), doctor.Settings, "to ", findings.Fail, "none")

	must(t, b.client(t).ProduceSync(t.Context(), &kgo.Record{Topic: "plain", Timestamp: time.Now().Add(time.Hour)}).FirstErr())
	wantLine(t, diagnose(t, "encrypt", c, 0), doctor.ClockSkew, "from ", findings.Warn, "in the future")
}

func TestDiagnoseOldBrokers(t *testing.T) {
	testDir(t)
	b := startKafka(t, kfake.MaxVersions(kversion.V2_7_0()), kfake.NumBrokers(3))
	b.topic(t, "plain", 1, nil)
	b.topic(t, "sealed", 1, map[string]string{"min.insync.replicas": "1"})
	lines := diagnose(t, "encrypt",
		Config{From: b.url + "/plain?group=enc", To: b.url + "/sealed", Keys: []string{"local:k.jwk"}}, 0)
	wantLine(t, lines, doctor.Version, "from ", findings.Warn, "older than Kafka 2.8")
	wantLine(t, lines, doctor.Settings, "to ", findings.Warn, "on one broker only")
}

func TestDiagnoseStreams(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "plain.>")
	b.stream(t, "SEALED", "sealed.>")
	c := Config{From: b.url + "/PLAIN?consumer=enc", To: b.url + "/SEALED?subject=sealed.>", Keys: []string{"local:k.jwk"}}
	lines := diagnose(t, "encrypt", c, 0)
	wantNone(t, lines)
	wantLine(t, lines, doctor.Version, "to nats:", findings.OK, "NATS server 2.")
	wantLine(t, lines, doctor.DuplicateWindow, "to nats:", findings.OK, "2m0s")
	wantLine(t, lines, doctor.ClockSkew, "from nats:", findings.OK, "its clock is")
	wantLine(t, lines, doctor.MessageSize, "to ", findings.OK, "1048576")

	// This machine's clock is wrong.
	lines = diagnose(t, "encrypt", c, 10*time.Minute)
	wantLine(t, lines, doctor.ClockSkew, "to nats:", findings.Fail, "behind")

	_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "SHORT", Subjects: []string{"short.>"}, Duplicates: 10 * time.Second, Storage: jetstream.MemoryStorage, MaxMsgSize: 4096,
	})
	must(t, err)
	c.To = b.url + "/SHORT?subject=short.>"
	lines = diagnose(t, "encrypt", c, 0)
	wantLine(t, lines, doctor.DuplicateWindow, "to nats:", findings.Warn, "10s")
	wantLine(t, lines, doctor.Settings, "to nats:", findings.Warn, "kept in memory")
	wantLine(t, lines, doctor.MessageSize, "to nats:", findings.Warn, "up to 4096")
	for stream := range b.js.ListStreams(t.Context()).Info() {
		if strings.HasPrefix(stream.Config.Name, "KV_") || stream.State.Consumers > 0 {
			t.Errorf("the doctor made %s, or a consumer of it", stream.Config.Name)
		}
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
	wantLine(t, diagnose(t, "encrypt", c, 0), doctor.Reach, "from nats:", findings.Fail, "refused")
}

// startKMS runs a key service that tells a time which is off by skew, answers
// every call with the error, and returns the URL of its key.
func startSkewedKMS(t *testing.T, skew time.Duration, fault string) string {
	t.Helper()
	_, key := startStandIn(t) // for its environment
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeKey") && fault == "DryRunOperationException" {
			born := time.Now().Add(-800 * 24 * time.Hour).Unix()
			_, _ = w.Write([]byte(`{"KeyMetadata":{"KeyId":"` + standInARN + `","CreationDate":` + strconv.FormatInt(born, 10) + `}}`))
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"` + fault + `"}`))
	}))
	t.Cleanup(server.Close)
	url, _, _ := strings.Cut(key[0], "?")
	return url + "?endpoint=" + server.URL
}

func TestDiagnoseKMS(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"v"}`+"\n"))
	c := Config{From: "file:in.ndjson", To: "file:out.ndjson"}
	look := func(skew time.Duration, fault string) []findings.Line {
		c.Keys = []string{startSkewedKMS(t, skew, fault)}
		return diagnose(t, "encrypt", c, 0)
	}
	const would = "DryRunOperationException"
	lines := look(0, would)
	wantLine(t, lines, doctor.KeyRights, "key awskms:", findings.OK, "1 rights are given")
	wantLine(t, lines, doctor.KeyReach, "key awskms:", findings.OK, "")
	wantLine(t, lines, doctor.ClockSkew, "key awskms:", findings.OK, "")
	wantLine(t, lines, doctor.KeyAge, "key awskms:", findings.Warn, "800 days")
	wantLine(t, look(-11*time.Minute, would), doctor.ClockSkew, "key awskms:", findings.Fail, "expire")
	wantLine(t, look(-11*time.Minute, "InvalidSignatureException"), doctor.ClockSkew, "key awskms:", findings.Fail, "behind")
	lines = look(0, "AccessDeniedException")
	wantLine(t, lines, doctor.KeyRights, "key awskms:", findings.Fail, "missing: kms:GenerateDataKey")
	wantLine(t, lines, doctor.KeyAge, "key awskms:", findings.OK, "not known")
	wantLine(t, look(0, "NotFoundException"), doctor.KeyReach, "key awskms:", findings.Fail, "")
	if _, err := os.Stat("out.ndjson"); err == nil {
		t.Error("the doctor made the output")
	}
}

// TestDiagnoseLatency: a clock that moves on by a second whenever it is looked
// at stands for a service that is slow.
func TestDiagnoseLatency(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"v"}`+"\n"))
	h, now := newDoctorHost(0), time.Now()
	h.Now = func() time.Time { now = now.Add(time.Second); return now }
	c := Config{
		From: "file:in.ndjson", To: "file:out.ndjson", Keys: []string{startSkewedKMS(t, 0, "DryRunOperationException")},
	}
	lines, err := Diagnose(t.Context(), "encrypt", c, nil, h, Env{Log: quiet})
	must(t, err)
	wantLine(t, lines, doctor.KeyLatency, "key awskms:", findings.Warn, "p99")
}

func TestDiagnoseFilesAndNeighbours(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"v"}`+"\n"))
	must(t, os.Chmod("k.jwk", 0o644))
	writeFile(t, "audit.log", []byte("nonsense\n"))
	c := Config{From: "file:in.ndjson", To: "nats://one:4222/SEALED", Keys: []string{"local:k.jwk"}, Audit: "audit.log"}
	c.To = "file:out.ndjson"
	twin := Neighbour{"encrypt", Config{From: "file:a.ndjson", To: "file:b.ndjson", Keys: []string{"local:k.jwk"}, Name: "twin"}}
	named := Neighbour{"encrypt", Config{From: "file:a.ndjson", To: "nats://two:4222/PAYMENTS", Keys: []string{"local:k.jwk"}, Name: "named"}}
	lines := diagnose(t, "encrypt", c, 0, twin, named)
	wantLine(t, lines, doctor.KeyRights, "key local:", findings.Warn, "can be read by others")
	wantLine(t, lines, doctor.SameName, "route twin", findings.Fail, "bound to one name")
	wantLine(t, lines, doctor.KeyShared, "route named", findings.Warn, "local:")
	wantLine(t, lines, doctor.AuditLog, "audit.log", findings.Fail, "broken")

	must(t, os.Chtimes("k.jwk", time.Now(), time.Now().Add(-500*24*time.Hour)))
	c.Keys = append(c.Keys, "local:gone.jwk")
	c.From, c.Audit = "file:none.ndjson", "no/audit.log"
	lines = diagnose(t, "encrypt", c, 0)
	wantLine(t, lines, doctor.KeyAge, "key local:", findings.Warn, "500 days")
	wantLine(t, lines, doctor.KeyReach, "key local:gone.jwk", findings.Fail, "no such file")
	wantLine(t, lines, doctor.Settings, "from file:none.ndjson", findings.Fail, "no such file")
	wantLine(t, lines, doctor.AuditLog, "no/audit.log", findings.Fail, "cannot be made")
}

// TestDiagnoseMemory: the bound of the route does not fit the cgroup.
func TestDiagnoseMemory(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"v"}`+"\n"))
	h := newDoctorHost(0)
	h.Root = fstest.MapFS{
		"proc/self/cgroup":             {Data: []byte("0::/\n")},
		"sys/fs/cgroup/memory.max":     {Data: []byte("16777216\n")},
		"proc/sys/kernel/core_pattern": {Data: []byte("core\n")},
	}
	c := Config{From: "file:in.ndjson", To: "file:out.ndjson", Keys: []string{"local:k.jwk"}}
	lines, err := Diagnose(t.Context(), "encrypt", c, nil, h, Env{Log: quiet})
	must(t, err)
	wantLine(t, lines, doctor.Memory, "host", findings.Fail, "the cgroup allows 16 MiB")
}

// TestDiagnoseRefusesMistakes: a configuration that is wrong is an error.
func TestDiagnoseRefusesMistakes(t *testing.T) {
	testDir(t)
	c := Config{From: "file:in.ndjson", To: "kafka://h:1/t?nonsense=1", Keys: []string{"local:k.jwk"}}
	if _, err := Diagnose(t.Context(), "encrypt", c, nil, newDoctorHost(0), Env{Log: quiet}); err == nil {
		t.Error("no error")
	}
}
