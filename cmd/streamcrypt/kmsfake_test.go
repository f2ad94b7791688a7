package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// fakeARN is the key of the fake KMS.
const fakeARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// startKMS runs a stand-in for AWS KMS and returns its address. The path of the
// endpoint says how it answers: /ok as KMS does, with wrapped keys that show
// their data key; others with the fault of that name.
func startKMS(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(answerKMS))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// wrappedKey is a wrapped key of the fake.
type wrappedKey struct {
	Key     []byte
	Context map[string]string
}

func answerKMS(w http.ResponseWriter, r *http.Request) {
	var in struct {
		KeyId             string
		Plaintext         []byte
		CiphertextBlob    []byte
		EncryptionContext map[string]string
		DryRun            bool
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	fail := func(status int, code, message string) {
		w.Header().Set("X-Amzn-Requestid", "11112222-3333-4444-5555-666677778888")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, message)
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch fault := strings.Trim(r.URL.Path, "/"); {
	case fault == "denied":
		fail(400, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/joe is not authorized")
		return
	case fault == "missing":
		fail(400, "NotFoundException", "Alias arn:aws:kms:eu-central-1:111122223333:"+in.KeyId+" is not found.")
		return
	case fault == "away":
		fail(503, "ServiceUnavailableException", "")
		return
	case fault == "web":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<html>not here</html>")
		return
	case in.DryRun:
		fail(400, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
		return
	}
	var key wrappedKey
	answer := map[string]any{"KeyId": fakeARN}
	switch op {
	case "GenerateDataKey":
		key = wrappedKey{make([]byte, 32), in.EncryptionContext}
		rand.Read(key.Key)
		answer["Plaintext"] = key.Key
	case "Encrypt":
		key = wrappedKey{in.Plaintext, in.EncryptionContext}
	case "Decrypt":
		if json.Unmarshal(in.CiphertextBlob, &key) != nil || !reflect.DeepEqual(key.Context, in.EncryptionContext) {
			fail(400, "InvalidCiphertextException", "")
			return
		}
		answer["Plaintext"] = key.Key
	default:
		fail(400, "UnknownOperationException", "")
		return
	}
	answer["CiphertextBlob"], _ = json.Marshal(key)
	_ = json.NewEncoder(w).Encode(answer)
}
