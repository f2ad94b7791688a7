package route

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// standInForKMS counts the calls of the operations of AWS KMS.
type standInForKMS struct {
	decrypts atomic.Int64
	fault    atomic.Value // the name of the error of Decrypt, as a string
	onFault  func()       // is told of each
}

const standInARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func (s *standInForKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CiphertextBlob    []byte
		EncryptionContext map[string]string
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	key := bytes.Repeat([]byte{7}, 32)
	wrapped := fmt.Appendf(slices.Clone(key), "wrapped for %v", in.EncryptionContext)
	answer := map[string]any{"KeyId": standInARN, "Plaintext": key, "CiphertextBlob": wrapped}
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.Decrypt":
		s.decrypts.Add(1)
		fault, _ := s.fault.Load().(string)
		if !bytes.Equal(in.CiphertextBlob, wrapped) {
			fault = "InvalidCiphertextException"
		}
		if fault != "" {
			if s.onFault != nil {
				s.onFault()
			}
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]any{"__type": fault}
		}
	case "TrentService.GenerateDataKey":
	default:
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": "UnsupportedOperationException"}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// startStandIn runs a stand-in and returns the URL of its key.
func startStandIn(t *testing.T) (*standInForKMS, []string) {
	t.Helper()
	service := new(standInForKMS)
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	return service, []string{"awskms:" + standInARN + "?endpoint=" + server.URL}
}

// TestAttackAddedRecipients: genuine envelopes to which a stranger has appended
// 600 different recipients cost one call and one line in the audit log.
func TestAttackAddedRecipients(t *testing.T) {
	testDir(t)
	service, key := startStandIn(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"v"}`+"\n"))
	mustRun(t, Encrypt, Config{Keys: key, From: "file:in.ndjson", To: "file:s.ndjson"})
	var line struct {
		Key   string `json:"key"`
		Value []byte `json:"value64"`
	}
	must(t, json.Unmarshal(readFile(t, "s.ndjson"), &line))
	var lines []byte
	genuine := line.Value
	for n := range 600 {
		line.Value = withRecipients(t, genuine, func(recipient []byte) [][]byte {
			return [][]byte{recipient, fmt.Appendf(nil, "\x83\x40\xa1\x01\x3a\x00\x01\x86\x9e\x48%08d", n)}
		})
		text, err := json.Marshal(line)
		must(t, err)
		lines = append(append(lines, text...), '\n')
	}
	writeFile(t, "variants.ndjson", append(lines, readFile(t, "s.ndjson")...))
	s := mustRun(t, Decrypt, Config{Keys: key, From: "file:variants.ndjson", To: "file:out.ndjson", Audit: "audit"})
	unwraps := bytes.Count(readFile(t, "audit"), []byte(`"op":"unwrap`))
	if service.decrypts.Load() != 1 || unwraps != 1 || s.Duplicates != 600 || s.Messages != 601 {
		t.Errorf("%d calls, %d lines, %+v", service.decrypts.Load(), unwraps, s)
	}
	same(t, readFile(t, "out.ndjson"), readFile(t, "in.ndjson"))
}

// TestAppendWithKMS: an archive whose keys are in a key service goes on behind
// its last end where the service decrypts. Where it does not, the next end says
// so for good; and a service that is away is no reason to say so.
func TestAppendWithKMS(t *testing.T) {
	testDir(t)
	service, key := startStandIn(t)
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"v"}`+"\n"))
	appended := Config{Keys: key, From: "file:in.ndjson", To: "file:a.scx?append=true"}
	for n := 1; n <= 2; n++ {
		s := mustRun(t, Encrypt, appended)
		if number := strings.Fields(s.Receipt)[1]; number != fmt.Sprintf("%08d", n) || s.Flags != "" {
			t.Errorf("receipt %s, flags %q", s.Receipt, s.Flags)
		}
		verified := Config{Keys: key, From: "file:a.scx", On: []string{"gap=pass", "reordered=pass"}}
		if s := mustRun(t, Verify, verified); s.Messages != int64(n) {
			t.Errorf("%+v", s)
		}
	}
	whole := readFile(t, "a.scx")
	service.fault.Store("KMSInternalException") // it is away, and waited for
	ctx, cancel := context.WithCancel(t.Context())
	service.onFault = cancel
	r, err := Encrypt(t.Context(), appended, Env{Log: quiet})
	must(t, err)
	if err := r.Run(ctx); !errors.Is(err, ErrInterrupted) {
		t.Errorf("away: %v", err)
	}
	must(t, r.Close())
	same(t, readFile(t, "a.scx"), whole)

	service.fault.Store("AccessDeniedException")
	s := mustRun(t, Encrypt, appended)
	service.fault.Store("")
	if number := strings.Fields(s.Receipt)[1]; number != "00000001" || s.Flags != "the bytes before were not verified" {
		t.Errorf("denied: receipt %s, flags %q", s.Receipt, s.Flags)
	}
	fails(t, Verify, Config{Keys: key, From: "file:a.scx"}, "not verified")
}
