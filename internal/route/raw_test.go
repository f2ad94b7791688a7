package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// payload is n bytes of noise.
func payload(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// profiles are the two ways to keep data keys, as changes to a Config.
var profiles = map[string]func(*Config){
	"self": func(*Config) {},
	"ref":  func(c *Config) { c.Profile, c.KeyStore = "ref", "file:store" },
}

func config(profile string, c Config) Config {
	profiles[profile](&c)
	return c
}

func TestRawRoundTrip(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	for profile := range profiles {
		for _, size := range []int{0, 1, 4096, 4097, 64 << 10, 200_000} {
			t.Run(fmt.Sprint(profile, size), func(t *testing.T) {
				plain := payload(size)
				writeFile(t, "plain", plain)
				s := mustRun(t, Encrypt, config(profile, Config{From: "file:plain", To: "file:sealed", ChunkSize: 4096, Overwrite: true}))
				sealed := readFile(t, "sealed")
				if s.Bytes != int64(size) || s.BytesOut != int64(len(sealed)) || s.Total != int64(size) || s.Done != s.Total || s.Unit != endpoint.Bytes {
					t.Errorf("sealing: %+v", s)
				}
				if size > 16 && bytes.Contains(sealed, plain[:16]) {
					t.Error("the envelope shows the payload")
				}
				s = mustRun(t, Verify, config(profile, Config{From: "file:sealed"}))
				if s.Bytes != int64(len(sealed)) {
					t.Errorf("verifying: %+v", s)
				}
				mustRun(t, Decrypt, config(profile, Config{From: "file:sealed", To: "file:opened", Overwrite: true}))
				same(t, readFile(t, "opened"), plain)
			})
		}
	}
}

func TestRawPipes(t *testing.T) {
	testDir(t)
	for _, size := range []int{0, 100, 500_000} {
		plain := payload(size)
		var sealed, opened bytes.Buffer
		// A reader that says little at a time, and an output that is no file.
		_, err := run(t, Encrypt, Config{From: "file:-", To: "file:-"}, Env{Stdin: io.LimitReader(bytes.NewReader(plain), 1<<30), Stdout: &sealed})
		must(t, err)
		_, err = run(t, Decrypt, Config{From: "file:-", To: "file:-"}, Env{Stdin: io.MultiReader(&sealed), Stdout: &opened})
		must(t, err)
		same(t, opened.Bytes(), plain)
	}
}

func TestRawStandardInputFromAFile(t *testing.T) {
	testDir(t)
	writeFile(t, "plain", payload(10_000))
	f, err := os.Open("plain")
	must(t, err)
	defer f.Close()
	_, err = f.Seek(1000, io.SeekStart)
	must(t, err)
	s, err := run(t, Encrypt, Config{From: "file:-", To: "file:sealed"}, Env{Stdin: f})
	must(t, err)
	if s.Total != 9000 {
		t.Errorf("total is %d", s.Total)
	}
	mustRun(t, Decrypt, Config{From: "file:sealed", To: "file:opened"})
	same(t, readFile(t, "opened"), payload(10_000)[1000:])
	if _, err := f.Stat(); err != nil {
		t.Errorf("the caller's standard input was closed: %v", err)
	}
}

// Whatever is wrong with an envelope, there is a reason, and no output file.
func TestRawCorruption(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	writeFile(t, "small", []byte("four"))
	writeFile(t, "long", payload(9000))
	for profile := range profiles {
		for _, name := range []string{"small", "long"} {
			mustRun(t, Encrypt, config(profile, Config{From: "file:" + name, To: "file:sealed", ChunkSize: 4096, Overwrite: true}))
			sealed := readFile(t, "sealed")
			if long := profile == "self" && name == "long"; long != (len(sealed) > keyRecord && sealed[keyRecord] == 0xd0) {
				t.Fatal("the key record is not where it is expected")
			}
			d := decryptor{c: config(profile, Config{From: "file:bad", To: "file:out"})}
			for i := range flips(sealed, name) {
				bad := bytes.Clone(sealed)
				bad[i/8] ^= 1 << (i % 8)
				d.refuses(t, bad, fmt.Sprintf("%s %s: bit %d", profile, name, i))
			}
			for n := range lengths(sealed, name) {
				d.refuses(t, sealed[:n], fmt.Sprintf("%s %s: %d bytes of %d", profile, name, n, len(sealed)))
			}
			d.refuses(t, append(bytes.Clone(sealed), 0), profile+name+": a byte more")
			d.refuses(t, append(bytes.Clone(sealed), sealed...), profile+name+": twice")
		}
	}
}

// keyRecord is how long the record of one local AES key is, in bytes: what
// stands before a long payload.
const keyRecord = 165

// flips yields bits of an envelope to flip: all of a small one, some of each
// part of a long one.
func flips(sealed []byte, name string) func(func(int) bool) {
	step := 1
	if name == "long" {
		step = 331 // prime, so that every bit of a byte has its turn
	}
	return func(yield func(int) bool) {
		for i := 0; i < 8*len(sealed); i += step {
			if !yield(i) {
				return
			}
		}
	}
}

func lengths(sealed []byte, name string) func(func(int) bool) {
	step := 1
	if name == "long" {
		step = 211
	}
	return func(yield func(int) bool) {
		for n := 0; n < len(sealed); n += step {
			if !yield(n) {
				return
			}
		}
	}
}

// decryptor runs many decryptions of one configuration.
type decryptor struct{ c Config }

func (d decryptor) refuses(t *testing.T, input []byte, what string) {
	t.Helper()
	writeFile(t, "bad", input)
	_, err := run(t, Decrypt, d.c, Env{})
	var refused *envelope.Error
	if !errors.As(err, &refused) || refused.Reason == "" {
		t.Fatalf("%s: got %v", what, err)
	}
	if !strings.HasPrefix(err.Error(), "from file:bad: "+string(refused.Reason)) {
		t.Fatalf("%s: the error reads %q", what, err)
	}
	noFile(t, "out")
}

func TestRawChunksAreBoundToTheirPlace(t *testing.T) {
	testDir(t)
	writeFile(t, "long", payload(5*4096))
	mustRun(t, Encrypt, Config{From: "file:long", To: "file:sealed", ChunkSize: 4096})
	sealed := readFile(t, "sealed")
	const segment = 3 + 12 + 4096 + 16 // its head, IV and tag
	end := len(sealed) - 1             // the break
	first := end - 5*segment
	at := func(i int) []byte { return sealed[first+i*segment : first+(i+1)*segment] }
	join := func(segments ...int) []byte {
		out := bytes.Clone(sealed[:first])
		for _, i := range segments {
			out = append(out, at(i)...)
		}
		return append(out, sealed[end])
	}
	same(t, join(0, 1, 2, 3, 4), sealed) // the arithmetic is right
	d := decryptor{c: Config{From: "file:bad", To: "file:out"}}
	d.refuses(t, join(0, 2, 1, 3, 4), "swapped")
	d.refuses(t, join(0, 1, 3, 4), "dropped")
	d.refuses(t, join(0, 1, 2, 3), "the last one dropped")
	d.refuses(t, join(0, 1, 1, 2, 3, 4), "repeated")
	d.refuses(t, join(4, 3, 2, 1, 0), "reversed")

	mustRun(t, Encrypt, Config{From: "file:long", To: "file:sealed2", ChunkSize: 4096})
	other := readFile(t, "sealed2")
	spliced := bytes.Clone(sealed)
	copy(spliced[first+segment:first+2*segment], other[first+segment:])
	d.refuses(t, spliced, "spliced")
}

func TestRawRefusals(t *testing.T) {
	testDir(t)
	writeFile(t, "plain", []byte("payload"))
	mustRun(t, Encrypt, Config{From: "file:plain", To: "file:sealed", Keys: []string{"local:k.jwk", "x25519:x.pub"}, Context: "orders"})

	err := fails(t, Decrypt, Config{From: "file:sealed", To: "file:out"}, "file:sealed: tampered")
	if strings.Contains(err.Error(), "payload") {
		t.Error("the error shows the payload")
	}
	fails(t, Decrypt, Config{From: "file:sealed", To: "file:out", Context: "orders", Keys: []string{"local:other.jwk"}}, "unknown-key")
	fails(t, Decrypt, Config{From: "file:plain", To: "file:out"}, "not-an-envelope")
	fails(t, Verify, Config{From: "file:sealed"}, "tampered")
	noFile(t, "out")
	mustRun(t, Decrypt, Config{From: "file:sealed", To: "file:out", Context: "orders", Keys: []string{"local:other.jwk", "x25519:x.pem"}})
	same(t, readFile(t, "out"), []byte("payload"))

	err = refuses(t, Decrypt, Config{From: "file:sealed", To: "file:out", Context: "orders"}, "out: file already exists")
	var advised *hint.Error
	if !errors.Is(err, fs.ErrExist) || !errors.As(err, &advised) || !strings.Contains(advised.Hint, "--overwrite") {
		t.Errorf("got %v", err)
	}
	refuses(t, Encrypt, Config{From: "file:none", To: "file:o"}, "no such file")
	refuses(t, Encrypt, Config{From: "file:.", To: "file:o"}, "folder")
	refuses(t, Encrypt, Config{From: "file:plain", To: "file:no/such/folder"}, "no such file")
	refuses(t, Encrypt, Config{From: "file:plain", To: "file:o", ChunkSize: 5}, "chunk size")
	refuses(t, Encrypt, Config{From: "file:plain", To: "file:o", Keys: []string{"local:none"}}, "key local:none")
	noFile(t, "o")
}

// A pipe may hold a verified beginning; what is wrong is still reported.
func TestRawPrefixOnAPipe(t *testing.T) {
	testDir(t)
	plain := payload(4 * 4096)
	writeFile(t, "plain", plain)
	mustRun(t, Encrypt, Config{From: "file:plain", To: "file:sealed", ChunkSize: 4096})
	sealed := readFile(t, "sealed")
	sealed[len(sealed)-20] ^= 1
	var out bytes.Buffer
	_, err := run(t, Decrypt, Config{From: "file:-", To: "file:-"}, Env{Stdin: bytes.NewReader(sealed), Stdout: &out})
	if err == nil || !strings.Contains(err.Error(), "tampered: chunk 3") {
		t.Errorf("got %v", err)
	}
	same(t, out.Bytes(), plain[:3*4096])
}

// silent is a pipe that says nothing. It tells when it is being read.
type silent struct{ reading chan struct{} }

func (s silent) Read([]byte) (int, error) {
	close(s.reading)
	select {} // as a read of a terminal: nothing interrupts it
}

func TestRawIsInterrupted(t *testing.T) {
	testDir(t)
	for name, open := range map[string]direct{"encrypt": Encrypt, "decrypt": Decrypt} {
		t.Run(name, func(t *testing.T) {
			in := silent{make(chan struct{})}
			r, err := open(t.Context(), Config{From: "file:-", To: "file:out", Keys: []string{"local:k.jwk"}}, Env{Log: quiet, Stdin: in})
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-in.reading; cancel() }()
			err = r.Run(ctx)
			var advised *hint.Error
			if !errors.Is(err, ErrInterrupted) || !errors.As(err, &advised) {
				t.Errorf("got %v", err)
			}
			must(t, r.Close())
			noFile(t, "out")
		})
	}
}

// TestRawBlocks: a payload of many blocks, by any number of workers.
func TestRawBlocks(t *testing.T) {
	testDir(t)
	plain := payload(5<<20 + 12_345)
	writeFile(t, "plain", plain)
	for workers := 1; workers <= 20; workers += 5 {
		mustRun(t, Encrypt, Config{From: "file:plain", To: "file:sealed", Workers: workers, Overwrite: true})
		mustRun(t, Decrypt, Config{From: "file:sealed", To: "file:again", Workers: workers, Overwrite: true})
		same(t, readFile(t, "again"), plain)
	}
	sealed := readFile(t, "sealed")
	sealed[len(sealed)-100_000] ^= 1
	var out bytes.Buffer
	_, err := run(t, Decrypt, Config{From: "file:-", To: "file:-"}, Env{Stdin: bytes.NewReader(sealed), Stdout: &out})
	if err == nil || !strings.Contains(err.Error(), "tampered: chunk 78") {
		t.Errorf("got %v", err)
	}
	same(t, out.Bytes(), plain[:78*envelope.DefaultChunkSize])
}

// failsLater is a sink that takes one write, and fails when something else has
// happened.
type failsLater struct {
	writes  int
	happens chan struct{}
}

func (f *failsLater) Write(p []byte) (int, error) {
	if f.writes++; f.writes == 1 {
		return len(p), nil
	}
	<-f.happens
	return 0, errors.New("no space left")
}

// TestRawSinkFailsWhilePipeIsSilent: the worker that waits for the pipe ends
// with the one that cannot write.
func TestRawSinkFailsWhilePipeIsSilent(t *testing.T) {
	testDir(t)
	pipe := silent{make(chan struct{})}
	in := io.MultiReader(bytes.NewReader(payload(1<<20)), pipe)
	config := Config{From: "file:-", To: "file:-", Workers: 4}
	_, err := run(t, Encrypt, config, Env{Stdin: in, Stdout: &failsLater{happens: pipe.reading}})
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestRawOutputFails(t *testing.T) {
	testDir(t)
	writeFile(t, "plain", payload(100_000))
	_, err := run(t, Encrypt, Config{From: "file:plain", To: "file:-"}, Env{Stdout: &failing{after: 1}})
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	_, err = run(t, Encrypt, Config{From: "file:-", To: "file:out"}, Env{Stdin: io.MultiReader(strings.NewReader("x"), &brokenReader{})})
	if err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("got %v", err)
	}
	noFile(t, "out")
}

type brokenReader struct{}

func (*brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }
