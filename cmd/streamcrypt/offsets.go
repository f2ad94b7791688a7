package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/offsets"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// offsetsCmd finds where readers of plaintext go on in the envelopes of it.
type offsetsCmd struct {
	Group       string `required:"" placeholder:"NAME" group:"Positions" help:"The readers: a consumer group, or a durable consumer."`
	From        string `required:"" placeholder:"URL" group:"Positions" complete:"look" help:"The plaintext that they read."`
	Via         string `required:"" placeholder:"URL" group:"Positions" complete:"to" help:"The envelopes of it, as the route's --to names them."`
	To          string `placeholder:"URL" group:"Positions" complete:"to" help:"A decrypted copy of the envelopes, as its route's --to names it; positions in it are counted."`
	SealedBy    string `placeholder:"NAME" group:"Positions" help:"The group of the route that encrypts: everything before its position counts as sealed, also what it has set aside."`
	Scan        bool   `group:"Positions" help:"Look at all envelopes one after the other, and rely on no order."`
	SkipMissing bool   `group:"Positions" help:"Go on behind messages that are not among the envelopes: dead letters, or messages that were deleted there."`
	Apply       string `placeholder:"NAME" group:"Positions" help:"Set the positions of this group, which must have no members: of --via, or of --to if it is given."`
	Replace     bool   `group:"Positions" help:"Let --apply replace positions that the group has."`
	JSON        bool   `help:"Print JSON."`
	CSV         bool   `help:"Print lines for kafka-consumer-groups.sh --reset-offsets --from-file."`
}

// Help is shown by --help.
func (offsetsCmd) Help() string {
	return "Envelopes tell the position of their message without a key; nobody has verified that. " +
		"Joins no group and changes nothing without --apply. " +
		"Exit code 1: some positions cannot be translated, and none was set. See docs/backfill.md.\n\n" +
		"For example: streamcrypt offsets --group readers --from ${plain} --via ${sealed}"
}

// Validate is called by kong.
func (c *offsetsCmd) Validate() error {
	switch {
	case c.JSON && c.CSV:
		return errors.New("--json and --csv are two forms of one output")
	case c.Replace && c.Apply == "":
		return errors.New("--replace without --apply replaces nothing")
	}
	return nil
}

// Run implements the command.
func (c *offsetsCmd) Run(p *program) error {
	report, err := route.TranslateOffsets(p.ctx, route.OffsetOptions{
		From: c.From, Via: c.Via, To: c.To, Readers: c.Group, Encryptor: c.SealedBy,
		Apply: c.Apply, Replace: c.Replace, Scan: c.Scan, SkipMissing: c.SkipMissing,
	}, p.newEnv())
	switch {
	case err != nil && p.ctx.Err() != nil:
		return errors.Join(route.ErrInterrupted, err)
	case report == nil:
		return &startError{err}
	}
	if report.Members > 0 {
		p.log().Warn("the readers are at work, and their positions move: these are as of now",
			"group", c.Group, "members", report.Members)
	}
	if failed := c.writeReport(p.out, report); failed != nil {
		return errors.Join(err, failed)
	}
	if err == nil && !report.Ready {
		err = route.ErrOffsetsNotReady
	}
	if errors.Is(err, route.ErrOffsetsNotReady) {
		return &hint.Error{Err: err, Hint: adviseOnRows(report.Rows)}
	}
	return err
}

// stateAdvice is the advice about rows that are not usable, by their state.
var stateAdvice = []struct {
	state  offsets.State
	advice string
}{
	{offsets.NotYet, "wait until the route has caught up, and say it again; if the last messages were set aside as " +
		"dead letters, --sealed-by names the route's group"},
	{offsets.Missing, "look for the messages among the dead letters; --skip-missing goes on behind them"},
	{offsets.BeyondEnd, "was the topic made anew? then its readers have no position in it"},
	{offsets.NoPlace, "add partitions to the destination, and wait until they are sealed"},
	{offsets.NotCounted, "leave out --to, and begin the readers of the copy by the time that --json shows"},
}

func adviseOnRows(rows []offsets.Row) string {
	for _, s := range stateAdvice {
		for i := range rows {
			if rows[i].State == s.state {
				return s.advice
			}
		}
	}
	return "is --group the name of the readers, and --from the topic that they read?"
}

func (c *offsetsCmd) writeReport(w io.Writer, r *route.OffsetReport) error {
	switch {
	case c.JSON:
		return json.NewEncoder(w).Encode(struct {
			Group   string        `json:"group"`
			Members int           `json:"members"`
			Ready   bool          `json:"ready"`
			Applied string        `json:"applied,omitempty"`
			Places  []offsets.Row `json:"places"`
		}{c.Group, r.Members, r.Ready, c.appliedTo(r), r.Rows})
	case c.CSV:
		return c.writeLines(w, r)
	}
	if err := c.writeTable(w, r.Rows); err != nil || !r.Applied {
		return err
	}
	_, err := fmt.Fprintf(w, "set as the positions of group %s, and read back\n", quoteWord(c.Apply))
	return err
}

func (c *offsetsCmd) appliedTo(r *route.OffsetReport) string {
	if r.Applied {
		return c.Apply
	}
	return ""
}

// writeLines writes TOPIC,PARTITION,OFFSET for each place. Without all of them
// it writes none: Kafka's tool would take some for all.
func (c *offsetsCmd) writeLines(w io.Writer, r *route.OffsetReport) error {
	if !r.Ready {
		return nil
	}
	for i := range r.Rows {
		place, offset := c.target(&r.Rows[i])
		if !r.Rows[i].State.IsUsable() {
			continue
		}
		topic, number, ok := strings.Cut(place, "/")
		if !ok {
			return hint.New("--csv: "+quoteWord(place)+" is no partition", "leave out --csv")
		}
		if _, err := fmt.Fprintf(w, "%s,%s,%d\n", topic, number, offset); err != nil {
			return err
		}
	}
	return nil
}

// target returns the place and the offset at which the new readers begin.
func (c *offsetsCmd) target(row *offsets.Row) (string, int64) {
	if c.To != "" {
		return row.To, row.ToOffset
	}
	return row.Via, row.Offset
}

func (c *offsetsCmd) writeTable(w io.Writer, rows []offsets.Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "READ\tAT\tOF\tSEALED\tAT\t")
	if c.To != "" {
		fmt.Fprint(t, "COPY\tAT\t")
	}
	fmt.Fprintln(t, "STATE\tNOTE")
	for i := range rows {
		r := &rows[i]
		from := r.From
		if from == "" {
			from = "(all)"
		}
		cells := []string{from, showOffset(r.Position), showOffset(r.End), r.Via, showOffset(r.Offset)}
		if c.To != "" {
			cells = append(cells, r.To, showOffset(r.ToOffset))
		}
		note := r.Note
		if r.Again > 0 {
			note = strings.TrimPrefix(note+"; "+fmt.Sprintf("%d messages are read again", r.Again), "; ")
		}
		cells = append(cells, string(r.State), note)
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

func showOffset(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}
