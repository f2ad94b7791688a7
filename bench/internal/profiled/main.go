// Command profiled is streamcrypt's encrypt and decrypt with a processor
// profile of the route. The bench runs it in place of the command, which writes
// no profiles.
//
//	profiled FILE encrypt|decrypt --from URL --to URL --key URL
//		[--context NAME] [--profile ref --keystore URL]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runProfiled(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "profiled:", err)
		os.Exit(1)
	}
}

func runProfiled(ctx context.Context) (err error) {
	if len(os.Args) < 3 {
		return errors.New("usage: profiled FILE encrypt|decrypt …")
	}
	open, ok := map[string]func(context.Context, route.Config, route.Env) (*route.Route, error){
		"encrypt": route.Encrypt, "decrypt": route.Decrypt,
	}[os.Args[2]]
	if !ok {
		return fmt.Errorf("no command %q", os.Args[2])
	}
	var c route.Config
	key := ""
	f := flag.NewFlagSet("profiled", flag.ContinueOnError)
	f.StringVar(&c.From, "from", "", "")
	f.StringVar(&c.To, "to", "", "")
	f.StringVar(&key, "key", "", "")
	f.StringVar(&c.Context, "context", "", "")
	f.StringVar(&c.Profile, "profile", "", "")
	f.StringVar(&c.KeyStore, "keystore", "", "")
	if err := f.Parse(os.Args[3:]); err != nil {
		return err
	}
	c.Keys, c.ContextSet = []string{key}, c.Context != ""

	out, err := os.Create(os.Args[1])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	r, err := open(ctx, c, route.Env{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return errors.Join(r.Run(ctx), r.Close())
}
