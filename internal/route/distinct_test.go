package route

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// TestNothingReadIsWrittenOver names each thing that a route reads as each
// thing that it writes: by the same path, through a link, by another name of
// the same file, and with leave to overwrite.
func TestNothingReadIsWrittenOver(t *testing.T) {
	t.Chdir(t.TempDir())
	key, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{
		"key.jwk": string(key), "old.jwk": string(key), "in.ndjson": `{"value":"v"}` + "\n", "settings.yaml": "# none\n",
		"ca.pem": "ca", "password": "secret", "store/0001": "record",
	}
	if err := os.Mkdir("store", 0o700); err != nil {
		t.Fatal(err)
	}
	reads := map[string]string{ // a file that is read, and its name in the error
		"key.jwk": "key local:key.jwk", "old.jwk": "key local:old.jwk", "in.ndjson": "from", "settings.yaml": "the configuration file",
		"ca.pem": "dead letters: parameter ca", "password": "dead letters: parameter password-file", "store/0001": "the key store",
	}
	writes := map[string]func(c *Config, path string){
		"to":             func(c *Config, path string) { c.To = "file:" + path + "?format=ndjson" },
		"the audit log":  func(c *Config, path string) { c.Audit = path },
		"the checkpoint": func(c *Config, path string) { c.Checkpoint = path },
	}
	names := map[string]func(path string) (string, error){
		"by its path":  func(path string) (string, error) { return path, nil },
		"by a detour":  func(path string) (string, error) { return "store/../" + path, nil },
		"by a link":    func(path string) (string, error) { return "link", os.Symlink(path, "link") },
		"by its inode": func(path string) (string, error) { return "hard", os.Link(path, "hard") },
		"by a link to a folder": func(path string) (string, error) {
			return filepath.Join("folder", path), os.Symlink(".", "folder")
		},
	}
	for file, name := range reads {
		for written, set := range writes {
			for how, link := range names {
				if file == "store/0001" && how == "by its inode" {
					continue // it lies elsewhere then, and the folder does not hold it
				}
				t.Run(file+" as "+written+" "+how, func(t *testing.T) {
					for name, text := range content {
						writeFile(t, name, []byte(text))
					}
					path, err := link(file)
					if err != nil {
						t.Fatal(err)
					}
					defer func() {
						for _, made := range []string{"link", "hard", "folder"} {
							_ = os.Remove(made)
						}
					}()
					c := Config{
						From: "file:in.ndjson", To: "file:out.ndjson", Keys: []string{"local:key.jwk"}, OldKeys: []string{"local:old.jwk"},
						KeyStore: "file:store", Settings: "settings.yaml", Overwrite: true,
						DeadLetter: "kafka://h/t?ca=ca.pem&sasl=plain&user=u&password-file=password",
					}
					set(&c, path)
					r, err := Rewrap(t.Context(), c, Env{Log: quiet})
					if err == nil {
						_ = r.Close()
					}
					if err == nil || !strings.Contains(err.Error(), written) || !strings.Contains(err.Error(), name) {
						t.Errorf("got %v", err)
					}
					for name, text := range content {
						if now, err := os.ReadFile(name); err != nil || string(now) != text {
							t.Errorf("%s was changed: %q, %v", name, now, err)
						}
					}
					if _, err := os.Stat("out.ndjson"); err == nil {
						t.Error("there is an output")
					}
				})
			}
		}
	}
}

// TestStandardOutputIsCompared redirects standard output to a file that the
// route reads.
func TestStandardOutputIsCompared(t *testing.T) {
	t.Chdir(t.TempDir())
	key, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, "key.jwk", key)
	writeFile(t, "in.ndjson", []byte(`{"value":"v"}`+"\n"))
	for file, name := range map[string]string{"in.ndjson": "from and to are the same", "key.jwk": "to and key local:key.jwk are the same"} {
		out, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		env := Env{Log: quiet}
		env.Stdout = out
		_, err = Encrypt(t.Context(), Config{From: "file:in.ndjson", To: "file:-?format=ndjson", Keys: []string{"local:key.jwk"}}, env)
		if err == nil || err.Error() != name {
			t.Errorf("%s: got %v", file, err)
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDanglingLink: the error names the link, and not the file that is read.
func TestDanglingLink(t *testing.T) {
	t.Chdir(t.TempDir())
	key, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, "key.jwk", key)
	writeFile(t, "in.ndjson", []byte(""))
	if err := os.Symlink("nowhere", "link.ndjson"); err != nil {
		if runtime.GOOS == "windows" {
			t.Skip("SKIPPED, NOT RUN: Windows makes links only for those with the right to:", err)
		}
		t.Fatal(err)
	}
	for want, c := range map[string]Config{
		"from: link.ndjson: a link to nowhere, which does not exist":          {From: "file:link.ndjson", To: "file:out.ndjson"},
		"to: link.ndjson: a link to nowhere, which does not exist":            {From: "file:in.ndjson", To: "file:link.ndjson"},
		"the audit log: link.ndjson: a link to nowhere, which does not exist": {From: "file:in.ndjson", To: "file:out.ndjson", Audit: "link.ndjson"},
	} {
		c.Keys = []string{"local:key.jwk"}
		if _, err := Encrypt(t.Context(), c, Env{Log: quiet}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := os.Stat("nowhere"); err == nil {
		t.Error("the target was made")
	}
}

// TestSeveralReadersOfOneFile: nothing is wrong with reading a file twice.
func TestSeveralReadersOfOneFile(t *testing.T) {
	p := &plan{Config: Config{Keys: []string{"local:k"}, OldKeys: []string{"local:k"}}, source: endpoint.Traits{Identity: "x"}}
	if err := p.checkDistinct(); err != nil {
		t.Error(err)
	}
}
