package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// Bytes with a key file. The file is made by "streamcrypt keygen local --out
// key.jwk", or here by GenerateAES.
func Example() {
	file, err := local.GenerateAES()
	if err != nil {
		log.Fatal(err)
	}
	kek, err := local.ParseAES(file)
	if err != nil {
		log.Fatal(err)
	}
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{Context: "orders"})
	if err != nil {
		log.Fatal(err)
	}
	defer sealer.Close()
	opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{Context: "orders"})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	order := envelope.Binding{Key: []byte("order-117")}
	sealed, err := sealer.Seal(ctx, nil, []byte("4111 1111 1111 1111"), order)
	if err != nil {
		log.Fatal(err)
	}
	plain, err := opener.Open(ctx, nil, sealed, order)
	fmt.Printf("%s, %v\n", plain, err)

	// Moved to another record, it does not open.
	_, err = opener.Open(ctx, nil, sealed, envelope.Binding{Key: []byte("order-118")})
	fmt.Println(err)
	// Output:
	// 4111 1111 1111 1111, <nil>
	// tampered
}

// An encryptor that cannot decrypt has the public half of a key only.
func Example_publicKey() {
	private, err := local.GenerateX25519() // stays with the readers
	if err != nil {
		log.Fatal(err)
	}
	public, err := local.Public(private)
	if err != nil {
		log.Fatal(err)
	}

	toReaders, err := local.ParseX25519Public(public)
	if err != nil {
		log.Fatal(err)
	}
	sealer, err := envelope.NewSealer([]keys.Wrapper{toReaders}, envelope.SealerOptions{Context: "patients"})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	sealed, err := sealer.Seal(ctx, nil, []byte("blood group 0"), envelope.Binding{})
	if err != nil {
		log.Fatal(err)
	}

	reader, err := local.ParseX25519(private)
	if err != nil {
		log.Fatal(err)
	}
	opener, err := envelope.NewOpener([]keys.Unwrapper{reader}, envelope.OpenerOptions{Context: "patients"})
	if err != nil {
		log.Fatal(err)
	}
	plain, err := opener.Open(ctx, nil, sealed, envelope.Binding{})
	fmt.Printf("%s, %v\n", plain, err)

	_, err = local.ParseX25519(public)
	fmt.Println(errors.Is(err, local.ErrPublicOnly))
	// Output:
	// blood group 0, <nil>
	// true
}

// A payload of any length is sealed and opened in constant memory. Close ends
// the envelope; without it the output is incomplete, and a Reader says so.
func ExampleSealer_NewWriter() {
	kek := newExampleKEK()
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	var file bytes.Buffer // an os.File, an upload, a pipe
	w := sealer.NewWriter(ctx, &file, envelope.Binding{})
	if _, err := io.Copy(w, strings.NewReader(strings.Repeat("all work and no play\n", 20_000))); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	cut := bytes.NewReader(file.Bytes()[:file.Len()/2])
	n, err := io.Copy(io.Discard, opener.NewReader(ctx, &file, envelope.Binding{}))
	fmt.Println(n, err)

	// The bytes that come before an error are a verified beginning.
	n, err = io.Copy(io.Discard, opener.NewReader(ctx, cut, envelope.Binding{}))
	fmt.Println(n, err)
	// Output:
	// 420000 <nil>
	// 196608 truncated
}

// A key can be replaced without opening anything: the envelope gets other
// recipients, and no other byte changes.
func ExampleRewrapper_Rewrap() {
	old, now := newExampleKEK(), newExampleKEK()
	sealer, err := envelope.NewSealer([]keys.Wrapper{old}, envelope.SealerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	sealed, err := sealer.Seal(ctx, nil, []byte("hello"), envelope.Binding{})
	if err != nil {
		log.Fatal(err)
	}

	rewrapper, err := envelope.NewRewrapper([]keys.Unwrapper{old}, []keys.Wrapper{now}, envelope.RewrapperOptions{})
	if err != nil {
		log.Fatal(err)
	}
	rewrapped, err := rewrapper.Rewrap(ctx, nil, sealed)
	if err != nil {
		log.Fatal(err)
	}
	for _, kek := range []keys.Unwrapper{now, old} {
		opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{})
		if err != nil {
			log.Fatal(err)
		}
		plain, err := opener.Open(ctx, nil, rewrapped, envelope.Binding{})
		fmt.Printf("%q, %v\n", plain, err)
	}
	// Output:
	// "hello", <nil>
	// "", unknown-key
}

// An error that is the envelope's fault has a reason, by which a program
// decides; docs/errors.md has the list. Any other error is not: a key that
// cannot be used, or a context that ended.
func ExampleError() {
	opener, err := envelope.NewOpener([]keys.Unwrapper{newExampleKEK()}, envelope.OpenerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = opener.Open(context.Background(), nil, []byte("plain text"), envelope.Binding{})
	var refused *envelope.Error
	if errors.As(err, &refused) && refused.Reason == envelope.ReasonNotEnvelope {
		fmt.Println("never sealed:", refused.Reason)
	}
	// Output:
	// never sealed: not-an-envelope
}

func newExampleKEK() *local.AES {
	file, err := local.GenerateAES()
	if err != nil {
		log.Fatal(err)
	}
	kek, err := local.ParseAES(file)
	if err != nil {
		log.Fatal(err)
	}
	return kek
}
