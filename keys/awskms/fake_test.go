package awskms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// Nothing of the machine's own configuration reaches the tests.
func TestMain(m *testing.M) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID":           "AKIDTEST",
		"AWS_SECRET_ACCESS_KEY":       "secret",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED":   "true",
	} {
		os.Setenv(name, value)
	}
	os.Exit(m.Run())
}

const (
	here   = "eu-central-1"
	there  = "us-east-1"
	first  = "arn:aws:kms:eu-central-1:111122223333:key/11111111-aaaa-bbbb-cccc-000000000001"
	second = "arn:aws:kms:eu-central-1:111122223333:key/22222222-aaaa-bbbb-cccc-000000000002"
	abroad = "arn:aws:kms:us-east-1:111122223333:key/33333333-aaaa-bbbb-cccc-000000000003"
	multi  = "arn:aws:kms:eu-central-1:111122223333:key/mrk-44444444aaaabbbbcccc000000000004"
	copied = "arn:aws:kms:us-east-1:111122223333:key/mrk-44444444aaaabbbbcccc000000000004"
	orders = "alias/orders"
)

// fakeKMS answers as KMS does, for the keys above and the aliases that it is
// told of. It has the keys of one region, which is that of the signature.
type fakeKMS struct {
	t       *testing.T
	url     string
	mu      sync.Mutex
	aliases map[string]string
	fault   func(w http.ResponseWriter, op string, body []byte) (answered bool)
	change  func(op string, answer map[string]any)
	asked   []request
}

type request struct {
	op, caller, date string
	in               body
}

type body struct {
	KeyId, SourceKeyId, DestinationKeyId                                     string
	Plaintext, CiphertextBlob                                                []byte
	EncryptionContext, SourceEncryptionContext, DestinationEncryptionContext map[string]string
	KeySpec                                                                  string
}

func newFake(t *testing.T) *fakeKMS {
	f := &fakeKMS{t: t, aliases: map[string]string{orders: first}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// key returns a key of f. The guard's defaults hold, but for what g says.
func (f *fakeKMS) key(o Options, g guard.Options) *Key {
	f.t.Helper()
	if o.Endpoint == "" {
		o.Endpoint = f.url
	}
	if o.Region == "" && !strings.HasPrefix(o.Key, "arn:") {
		o.Region = here
	}
	k, err := newKey(f.t.Context(), o, g)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

func (f *fakeKMS) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// last returns the latest request, and how many there were.
func (f *fakeKMS) last() (request, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 {
		return request{}, 0
	}
	return f.asked[len(f.asked)-1], len(f.asked)
}

func (f *fakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	f.mu.Lock()
	fault, change := f.fault, f.change
	asked := request{op: op, caller: r.Header.Get("Authorization"), date: r.Header.Get("X-Amz-Date")}
	if err := json.Unmarshal(text, &asked.in); err != nil {
		f.t.Errorf("%s: %v", op, err)
	}
	f.asked = append(f.asked, asked)
	f.mu.Unlock()
	if fault != nil && fault(w, op, text) {
		return
	}
	region := here
	if strings.Contains(asked.caller, "/"+there+"/kms/") {
		region = there
	}
	answer, code := f.answer(op, region, &asked.in)
	if code != "" {
		refuse(w, 400, code, "as KMS would say")
		return
	}
	if change != nil {
		change(op, answer)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(answer)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

func (f *fakeKMS) answer(op, region string, in *body) (map[string]any, string) {
	switch op {
	case "GenerateDataKey":
		key, code := f.resolve(region, in.KeyId)
		if in.KeySpec != "AES_256" {
			code = "ValidationException"
		}
		dek := make([]byte, 32)
		rand.Read(dek)
		return map[string]any{"KeyId": key, "Plaintext": dek, "CiphertextBlob": seal(key, dek, in.EncryptionContext)}, code
	case "Encrypt":
		key, code := f.resolve(region, in.KeyId)
		return map[string]any{"KeyId": key, "CiphertextBlob": seal(key, in.Plaintext, in.EncryptionContext)}, code
	case "Decrypt":
		key, plain, code := f.open(region, in.KeyId, in.CiphertextBlob, in.EncryptionContext)
		return map[string]any{"KeyId": key, "Plaintext": plain}, code
	case "ReEncrypt":
		old, plain, code := f.open(region, in.SourceKeyId, in.CiphertextBlob, in.SourceEncryptionContext)
		if code != "" {
			return nil, code
		}
		key, code := f.resolve(region, in.DestinationKeyId)
		return map[string]any{
			"KeyId": key, "SourceKeyId": old, "CiphertextBlob": seal(key, plain, in.DestinationEncryptionContext),
		}, code
	}
	return nil, "UnknownOperationException"
}

// resolve finds a key of the region by ARN, id, alias or alias ARN.
func (f *fakeKMS) resolve(region, id string) (string, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := strings.Index(id, ":alias/"); i >= 0 {
		id = id[i+1:]
	}
	if strings.HasPrefix(id, "alias/") {
		id = f.aliases[id]
	}
	for _, key := range []string{first, second, abroad, multi, copied} {
		if (key == id || strings.HasSuffix(key, ":key/"+id)) && strings.Contains(key, region) {
			return key, ""
		}
	}
	return "", "NotFoundException"
}

func (f *fakeKMS) open(region, id string, blob []byte, context map[string]string) (string, []byte, string) {
	if id == "" {
		f.t.Error("a request does not say which key")
	}
	key, code := f.resolve(region, id)
	name, rest, ok := bytes.Cut(blob, []byte{0})
	switch {
	case code != "":
		return "", nil, code
	case !ok || !strings.Contains(string(name), "-"):
		return "", nil, "InvalidCiphertextException"
	case string(name) != material(key):
		return "", nil, "IncorrectKeyException"
	case len(rest) < 12:
		return "", nil, "InvalidCiphertextException"
	}
	plain, err := gcm(key).Open(nil, rest[:12], rest[12:], canonical(context))
	if err != nil {
		return "", nil, "InvalidCiphertextException"
	}
	return key, plain, ""
}

func seal(key string, plain []byte, context map[string]string) []byte {
	if key == "" {
		return nil
	}
	nonce := make([]byte, 12)
	rand.Read(nonce)
	out := append([]byte(material(key)), 0)
	return gcm(key).Seal(append(out, nonce...), nonce, plain, canonical(context))
}

// material is what a key and its replicas share.
func material(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func gcm(arn string) cipher.AEAD {
	block, err := aes.NewCipher([]byte(material(arn))[:16])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func canonical(context map[string]string) []byte {
	b, _ := json.Marshal(context) // sorts
	return b
}
