package envelope_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeProgram compiles and runs the lines of Go in README.md, within the
// rest of a program.
func TestReadmeProgram(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	fatal(t, err)
	_, lines, ok := strings.Cut(string(page), "```go\n")
	lines, _, end := strings.Cut(lines, "```\n")
	if !ok || !end {
		t.Fatal("no lines of Go")
	}
	const before = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

func main() {
	file, err := local.GenerateAES()
	check(err)
	kek, err := local.ParseAES(file)
	check(err)
	ctx := context.Background()
	seal(ctx, kek)
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func seal(ctx context.Context, kek *local.AES) {
`
	const after = `	check(err)
	opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{Context: "photos"})
	check(err)
	opened, err := opener.Open(ctx, nil, sealed, envelope.Binding{Key: []byte("photo-7")})
	check(err)
	fmt.Printf("%s\n", opened)
}
`
	source := filepath.Join(t.TempDir(), "main.go")
	fatal(t, os.WriteFile(source, []byte(before+lines+after), 0o600))
	out, err := exec.Command("go", "run", source).CombinedOutput()
	if err != nil || string(out) != "hello\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
