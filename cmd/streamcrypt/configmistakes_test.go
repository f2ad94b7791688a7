package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

const configMistakes = "testdata/config-mistakes.txtar"

// mistakeLine matches a line about a mistake: file, line, and text.
var mistakeLine = regexp.MustCompile(`^[a-z0-9-]+\.yaml:([0-9]+: .| yaml: line [0-9]+: .| more than one document$)`)

// TestConfigMistakes checks files that cannot be meant: testdata has each, and
// behind it everything that is said about it. Each ends with 2, prints nothing
// to standard output, opens nothing and leaves the folder as it was.
func TestConfigMistakes(t *testing.T) {
	golden, err := txtar.ParseFile(configMistakes)
	if err != nil {
		t.Fatal(err)
	}
	path, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	inMistakesFolder(t)
	write(t, ".", "token", []byte("token"))
	if err := os.Chmod("token", 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRETS", "secrets")
	seen := 0
	for i := 0; i+1 < len(golden.Files); i += 2 {
		file, want := &golden.Files[i], &golden.Files[i+1]
		if !isSampled(i / 2) {
			continue
		}
		t.Run(file.Name, func(t *testing.T) {
			write(t, ".", file.Name, file.Data)
			before := listFolder(t)
			code, stdout, stderr := runArgs(t.Context(), "config", "check", file.Name)
			got := strings.ReplaceAll(spoken(t, stderr), "streamcrypt: ", "")
			if code != exitNotStarted || stdout != "" {
				t.Errorf("exit code %d, standard output %q, standard error:\n%s", code, stdout, stderr)
			}
			if after := listFolder(t); after != before {
				t.Errorf("the folder has changed from\n%s\nto\n%s", before, after)
			}
			for line := range strings.Lines(got) {
				if !mistakeLine.MatchString(strings.TrimSuffix(line, "\n")) {
					t.Errorf("not FILE:LINE: %s", line)
				}
				seen++
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a secret is shown")
			}
			if *update {
				want.Data = []byte(got)
			} else if got != string(want.Data) {
				t.Errorf("said:\n%swant:\n%s", got, want.Data)
			}
		})
	}
	if seen < countRepeats(35) {
		t.Errorf("%d mistakes only", seen)
	}
	if *update {
		if err := os.WriteFile(path+"/"+configMistakes, txtar.Format(golden), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path+"/"+configMistakes, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMemoryAboveTheLimit: a bound over the cgroup's, and routes that do not
// fit, are mistakes with the line of the bound.
func TestMemoryAboveTheLimit(t *testing.T) {
	inMistakesFolder(t)
	for bound, want := range map[string]string{
		"memory: 2GiB":               "f.yaml:1: memory: 2048 MiB are above the 1024 MiB that the process may take (lower it, or raise the limit of the cgroup)",
		"workers: 300":               "f.yaml:1: memory: needs up to 2435 MiB of memory, the cgroup allows 1024 MiB (lower budget, workers or read-ahead, or raise the limit of the cgroup)",
		"memory: 40MiB":              "f.yaml:1: memory: the routes take 51 MiB at least, and the bound is 40 MiB (raise it, or lower budget, workers or read-ahead)",
		"{workers: 2, memory: 1GiB}": "",
	} {
		t.Run(bound, func(t *testing.T) {
			if !strings.HasPrefix(bound, "{") && !strings.HasPrefix(bound, "workers") {
				bound += "\nworkers: 2"
			}
			bound = strings.NewReplacer("{", "", "}", "", ", ", "\n").Replace(bound)
			text := bound + "\nroutes: {a: {do: encrypt, from: file:in.ndjson, to: file:out.scx, key: local:key.jwk}}\n"
			file, err := readRunFile("f.yaml", []byte(text), all.Table())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := file.checkRoutes(&file.process, route.Env{Log: quiet}, 1<<30); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestRunMistakes: mistakes that only run can find, before any route is opened.
func TestRunMistakes(t *testing.T) {
	inMistakesFolder(t)
	const routes = "routes: {a: {do: encrypt, from: file:in.ndjson, to: file:out.scx, key: local:key.jwk}}\n"
	taken := listen(t)
	write(t, ".", "good.yaml", []byte(routes))
	write(t, ".", "port.yaml", fmt.Appendf(nil, "workers: 1\nops: %s\n%s", taken, routes))
	for name, c := range map[string]struct{ env, file, want string }{
		"a port in use": {file: "port.yaml", want: "port.yaml:2: ops: listen tcp " + taken + ": bind: address already in use (name another port, or end the process that has it)"},
		"a variable of a route": {env: "STREAMCRYPT_TO", file: "good.yaml",
			want: "STREAMCRYPT_TO: run takes the fields of routes from its file alone\nhint: unset it, and write to below routes.NAME or defaults"},
		"no file":            {want: "no configuration\nhint: streamcrypt run -c FILE"},
		"a file that is not": {file: "none.yaml", want: "open none.yaml: no such file or directory\nhint: streamcrypt run --help lists the flags"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.env != "" {
				t.Setenv(c.env, "file:x")
			}
			args := []string{"run"}
			if c.file != "" {
				args = append(args, "-c", c.file)
			}
			before := listFolder(t)
			code, _, stderr := runArgs(t.Context(), args...)
			if got := spoken(t, stderr); code != exitNotStarted || got != "streamcrypt: "+c.want+"\n" {
				t.Errorf("exit code %d, %s", code, got)
			}
			if after := listFolder(t); after != before {
				t.Errorf("the folder has changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// TestFieldsOfTheProcessStay: a file that is read again cannot change fields of
// the process, and each that it would change is a mistake with its line.
func TestFieldsOfTheProcessStay(t *testing.T) {
	const routes = "routes: {a: {do: encrypt, from: file:in.ndjson, to: file:out.scx, key: local:key.jwk}}\n"
	read := func(process string) *runFile {
		file, err := readRunFile("f.yaml", []byte(process+routes), all.Table())
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	r := &running{file: read("workers: 2\nmemory: 1GiB\n")}
	const advice = ": changes only with a restart (restart the process, or take the change back)"
	for process, want := range map[string]string{
		"memory: 1GiB\nworkers: 2\n": "",
		"memory: 2GiB\nworkers: 2\n": "f.yaml:1: memory" + advice,
		"ops: 127.0.0.1:1\nworkers: 3\n": "f.yaml:1: memory" + advice + "\nf.yaml:1: ops" + advice +
			"\nf.yaml:2: workers" + advice,
	} {
		got := ""
		if err := r.checkProcess(read(process)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s%q, want %q", process, got, want)
		}
	}
}
