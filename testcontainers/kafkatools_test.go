package testcontainers

import (
	"io"
	"strings"
	"testing"

	tcexec "github.com/testcontainers/testcontainers-go/exec"
)

// kafkaTools are the programs behind Kafka's scripts, which not every build of
// the image has.
var kafkaTools = map[string]string{
	"kafka-topics.sh":           "org.apache.kafka.tools.TopicCommand",
	"kafka-acls.sh":             "org.apache.kafka.tools.AclCommand",
	"kafka-consumer-groups.sh":  "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
	"kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}

// runTool runs a command line with one of Kafka's scripts beside the broker,
// and returns its output.
func (k *kafkaServer) runTool(t *testing.T, command string) string {
	t.Helper()
	script := command
	for name, class := range kafkaTools {
		script = strings.ReplaceAll(script, name, "java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '/opt/kafka/libs/*' "+class)
	}
	code, out, err := k.container.Exec(t.Context(), []string{"sh", "-c", script}, tcexec.Multiplexed())
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err != nil || code != 0 {
		t.Fatalf("%s: exit code %d, %v: %s", command, code, err, text)
	}
	return string(text)
}
