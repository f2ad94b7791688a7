// Command bench prints the figures of streamcrypt beside their targets.
//
// Speed is given as a ratio to a baseline that runs in the same process or on the same file, in turns, because
// absolute times of a shared machine say little. README.md tells how each figure is made.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report := Report{Machine: thisMachine()}
	figures, err := measureMessages(ctx, 2*time.Second)
	if err != nil {
		return err
	}
	report.Figures = append(report.Figures, figures...)
	if *asJSON {
		return report.writeJSON(os.Stdout)
	}
	return report.writeTable(os.Stdout)
}
