package testcontainers

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// needMaven returns the path of Maven. The test is skipped, loudly, where
// TEST_MAVEN does not name it: not every machine has Java and an archive of its
// libraries.
func needMaven(t *testing.T) string {
	t.Helper()
	maven := os.Getenv("TEST_MAVEN")
	if maven == "" {
		t.Skip("SKIPPED, NOT RUN: TEST_MAVEN does not name Maven")
	}
	return maven
}

// TestKafkaJava: a consumer in Java, with the deserializer of docs/interop/java,
// reads all that the command has sealed, and refuses a changed record. The
// checks of the Java side are in BrokerTest.java.
func TestKafkaJava(t *testing.T) {
	maven := needMaven(t)
	k := kafkaTest{kafkaServer: startKafka(t, nil)}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, kind := range []string{"local", "x25519", "ed25519"} {
		streamcrypt(t.Context(), t, "keygen", kind, "--out", in(kind))
		if kind != "local" {
			if err := os.WriteFile(in(kind+".pub"), streamcrypt(t.Context(), t, "keygen", "--public", in(kind)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(in("store"), 0o700); err != nil {
		t.Fatal(err)
	}

	s := series{partitions: parts, n: 4000, large: 500}
	k.topic(t, "java-plain", parts)
	k.put(t, "java-plain", 0, s.n, s.record)
	sealed := map[string][]string{
		"java-sealed": {"--key", "local:" + in("local") + ",x25519:" + in("x25519.pub")},
		"java-ref":    {"--key", "local:" + in("local"), "--profile", "ref", "--keystore", "file:" + in("store"), "--compress", "zstd"},
	}
	for topic, flags := range sealed {
		streamcrypt(t.Context(), t, append([]string{"encrypt", "--sign", in("ed25519"),
			"--from", k.url("java-plain?until=latest&group=" + topic), "--to", k.url(topic + "?create=true")}, flags...)...)
	}
	few := series{partitions: parts, n: 40}
	k.topic(t, "java-few", parts)
	k.put(t, "java-few", 0, few.n, few.numbered)
	streamcrypt(t.Context(), t, "encrypt", "--sign", in("ed25519"), "--key", "x25519:"+in("x25519.pub"),
		"--from", k.url("java-few?until=latest&group=java-few"), "--to", k.url("java-tampered?create=true"))
	k.appendChanged(t, "java-tampered")

	settings := "streamcrypt.keys=" + in("x25519") + "," + in("local") + ";streamcrypt.signers=" + in("ed25519.pub") +
		";streamcrypt.keystore=" + in("store")
	test := exec.CommandContext(t.Context(), maven, "--batch-mode", "--no-transfer-progress", "-Dtest=BrokerTest", "test")
	test.Dir = filepath.Join("..", "docs", "interop", "java")
	test.Env = append(os.Environ(), "TEST_KAFKA="+k.address, "TEST_KAFKA_PLAIN=java-plain",
		"TEST_KAFKA_SEALED=java-sealed,java-ref", "TEST_KAFKA_TAMPERED=java-tampered", "TEST_KAFKA_SETTINGS="+settings)
	out, err := test.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "Tests run: 2, Failures: 0, Errors: 0, Skipped: 0") {
		t.Fatalf("the consumer in Java: %v", err)
	}
}

// appendChanged writes a changed copy of a sealed record behind the records of
// its partition, and the record itself behind that.
func (k *kafkaServer) appendChanged(t *testing.T, topic string) {
	t.Helper()
	const inIV = 80 // tag, array and protected bytes take 75 bytes, and the IV begins 3 bytes later
	var good *kgo.Record
	k.read(t, topic, parts, func(r *kgo.Record) {
		if good == nil && r.Value != nil {
			good = &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers}
		}
	})
	k.put(t, topic, 0, 2, func(_ string, i int) *kgo.Record {
		r := *good
		if r.Value = bytes.Clone(r.Value); i == 0 {
			r.Value[inIV] ^= 1
		}
		return &r
	})
}
