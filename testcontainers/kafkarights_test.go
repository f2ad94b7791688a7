package testcontainers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// securedByRights are the settings of a broker that looks at rights. The tests'
// own client may do everything; the port behind the proxy wants a user.
var securedByRights = map[string]string{
	"KAFKA_AUTHORIZER_CLASS_NAME":          "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
	"KAFKA_SUPER_USERS":                    "User:ANONYMOUS",
	"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:PLAINTEXT,PROXIED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,BROKERS:PLAINTEXT",
	"KAFKA_SASL_ENABLED_MECHANISMS":        "PLAIN",
	"KAFKA_LISTENER_NAME_PROXIED_PLAIN_SASL_JAAS_CONFIG": fmt.Sprintf(
		`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, appUser, appPassword),
}

// TestKafkaRights takes away each of the rights in docs/kafka.md, one at a
// time. The command says at its start which one is missing and how to grant it,
// and so does its plan. With that granted, by Kafka's own tool, it goes
// on.
func TestKafkaRights(t *testing.T) {
	k := kafkaTest{kafkaServer: startKafka(t, securedByRights), key: newKey(t)}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(appPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := "sasl=plain&user=" + appUser + "&password-file=" + password
	s := series{partitions: parts, n: 100}
	for _, tc := range []struct {
		name, resource, operation string
		kind                      kmsg.ACLResourceType
		right                     kmsg.ACLOperation
	}{
		{"read", "topic in", "Read", kmsg.ACLResourceTypeTopic, kmsg.ACLOperationRead},
		{"group", "group read", "Read", kmsg.ACLResourceTypeGroup, kmsg.ACLOperationRead},
		{"write", "topic out", "Write", kmsg.ACLResourceTypeTopic, kmsg.ACLOperationWrite},
		{"create", "topic out", "Create", kmsg.ACLResourceTypeTopic, kmsg.ACLOperationCreate},
		{"transaction", "transactional-id ", "Write", kmsg.ACLResourceTypeTransactionalId, kmsg.ACLOperationWrite},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in, out := "in-"+tc.name, "out-"+tc.name
			k.topic(t, in, parts)
			k.put(t, in, 0, s.n, s.numbered)
			if tc.name == "write" { // one that is missing takes the right to create it first
				k.topic(t, out, parts, "max.message.bytes", "2000000")
			}
			group := "group-" + tc.name
			needed := []aclChange{
				{kmsg.ACLResourceTypeTopic, in, kmsg.ACLOperationRead},
				{kmsg.ACLResourceTypeGroup, group, kmsg.ACLOperationRead},
				{kmsg.ACLResourceTypeTopic, out, kmsg.ACLOperationWrite},
				{kmsg.ACLResourceTypeTopic, out, kmsg.ACLOperationCreate},
				{kmsg.ACLResourceTypeTransactionalId, "*", kmsg.ACLOperationWrite},
			}
			for _, right := range needed {
				if right.resource != tc.kind || right.operation != tc.right {
					k.grant(t, right)
				}
			}
			args := []string{
				"encrypt", "--key", k.key, "--wait", "0s", "--from", k.proxy.url(in + "?until=latest&group=" + group + "&" + login),
				"--to", k.proxy.url(out + "?create=true&" + login),
			}
			refused := exitOf(t.Context(), t, args...)
			said, _ := lastWords(t, refused.stderr)
			missing, command, ok := strings.Cut(said, "; grant it: ")
			resource := map[string]string{"topic in": "topic " + in, "topic out": "topic " + out, "group read": "group " + group}[tc.resource]
			if resource == "" {
				resource = tc.resource
			}
			if want := "User:" + appUser + " has no right to " + tc.operation + " " + resource; refused.code != 2 || !ok || !strings.Contains(missing, want) {
				t.Fatalf("exit code %d, %q; not %q", refused.code, said, want)
			}
			plan := exitOf(t.Context(), t, append([]string{"encrypt", "--plan"}, args[1:]...)...)
			if want := "kafka-acls.sh --bootstrap-server " + k.proxy.address() + " --add --allow-principal User:" + appUser +
				" --operation " + tc.operation + " "; !strings.Contains(string(plan.stdout), want) {
				t.Errorf("the plan has no command for it: %s", plan.stdout)
			}
			// The tool runs beside the broker, where another port leads to it.
			from, rest, _ := strings.Cut(command, "--bootstrap-server ")
			_, rest, _ = strings.Cut(rest, " ")
			command, _, _ = strings.Cut(from+"--bootstrap-server localhost:9094 "+rest, "\n")
			t.Log(command)
			k.runTool(t, command)
			if done := exitOf(t.Context(), t, args...); done.code != 0 {
				t.Fatalf("with the right that it asked for: exit code %d\n%s", done.code, done.stderr)
			}
			k.once(t, out, s)
		})
	}
}
