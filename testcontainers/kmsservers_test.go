package testcontainers

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// emulator is a KMS to test against, and what it gets wrong.
type emulator struct {
	name, endpoint, region string

	otherKeyIsDenied bool // a wrapped key of another key than the one asked for is AccessDenied; KMS says IncorrectKey
	ignoresStates    bool // disabled keys, keys to be deleted and asymmetric keys make data keys
	noRotation       bool // RotateKeyOnDemand is missing
}

// emulators starts all that this machine has, and fails or skips, loudly, for
// those that it has not.
func emulators(t *testing.T, test func(*testing.T, *emulator)) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	t.Run("local-kms", func(t *testing.T) { test(t, localKMS(t)) })
	t.Run("moto", func(t *testing.T) { test(t, moto(t)) })
}

func localKMS(t *testing.T) *emulator {
	t.Helper()
	needEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := testcontainers.Run(ctx, "nsmithuk/local-kms:3",
		testcontainers.WithExposedPorts("8080/tcp"),
		testcontainers.WithEnv(map[string]string{"KMS_REGION": "eu-central-1", "KMS_ACCOUNT_ID": "111122223333"}),
		testcontainers.WithWaitStrategyAndDeadline(patience,
			wait.ForListeningPort("8080/tcp").SkipInternalCheck().WithStartupTimeout(patience)),
	)
	testcontainers.CleanupContainer(t, server) // also of one that did not get ready
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := server.PortEndpoint(ctx, "8080/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	awaitHTTP(t, endpoint, nil) // the engine takes connections before the server does
	return &emulator{name: "local-kms", endpoint: endpoint, region: "eu-central-1", noRotation: true}
}

// moto starts the server that TEST_MOTO_SERVER names: moto_server, of a Python
// environment with moto[kms,server].
func moto(t *testing.T) *emulator {
	t.Helper()
	program := os.Getenv("TEST_MOTO_SERVER")
	switch {
	case program != "":
	case os.Getenv("TEST_REQUIRE_CONTAINERS") == "1":
		t.Fatal("a second KMS emulator is required: TEST_MOTO_SERVER does not name moto_server")
	default:
		t.Skip("SKIPPED, NOT RUN: TEST_MOTO_SERVER does not name moto_server")
	}
	port := strconv.Itoa(freePort(t))
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	e := &emulator{
		name: "moto", endpoint: "http://127.0.0.1:" + port, region: "eu-central-1",
		otherKeyIsDenied: true, ignoresStates: true,
	}
	awaitHTTP(t, e.endpoint, ended)
	return e
}

// awaitHTTP waits for any answer.
func awaitHTTP(t *testing.T, url string, ended <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("%s: the server has ended", url)
		case <-deadline:
			t.Fatalf("%s: no answer", url)
		}
	}
}

// admin is a client that makes and changes keys, which streamcrypt never does.
func (e *emulator) admin() *kms.Client {
	return kms.New(kms.Options{
		Region:       e.region,
		BaseEndpoint: aws.String(e.endpoint),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "secret"}, nil
		}),
	})
}
