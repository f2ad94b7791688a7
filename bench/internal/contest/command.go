package contest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// ChildWord is the first argument of a bench that runs as one of its own
// contenders.
const ChildWord = "child"

// RunMain runs a bench or, behind ChildWord, one of its contenders with the
// arguments that follow, until it ends or a signal comes. An error is printed
// and ends the process.
func RunMain(name string, runBench func(context.Context) error, runChild func(context.Context, []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == ChildWord {
		err = runChild(ctx, os.Args[2:])
	} else {
		err = runBench(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench/%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Report has all measurements of one run of a bench.
type Report interface {
	WritePlots(folder string) error
	WriteJSON(w io.Writer) error
	WriteTables(w io.Writer) error
}

// Output says where a report comes from, and how it is shown.
type Output struct {
	json   bool
	plots  string // folder; empty for none
	redraw string // file of an earlier report; empty to measure
}

// AddFlags adds the flags of the bench name that set o.
func (o *Output) AddFlags(f *flag.FlagSet, name string) {
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.StringVar(&o.plots, "plot", "", fmt.Sprintf("write %[1]s.svg and %[1]s.png into this `folder`", name))
	f.StringVar(&o.redraw, "redraw", "", "measure nothing: draw and print a report of -json from `file`")
}

// ShowReport draws and prints the report that measure returns or, if that is
// asked for, an earlier one, which it reads into the empty report earlier.
func (o *Output) ShowReport(earlier Report, measure func() (Report, error)) error {
	report := earlier
	var err error
	if o.redraw != "" {
		err = ReadReport(o.redraw, earlier)
	} else {
		report, err = measure()
	}
	if err != nil {
		return err
	}
	if o.plots != "" {
		if err := report.WritePlots(o.plots); err != nil {
			return err
		}
	}
	if o.json {
		return report.WriteJSON(os.Stdout)
	}
	return report.WriteTables(os.Stdout)
}
