package outcome

import (
	"context"
	"log/slog"
	"time"
)

// LogTo writes the last line of a log. The least severe level
// does not matter: neither an error nor a success must go unsaid.
func (o *Outcome) LogTo(h slog.Handler) error {
	if o.Run == nil && o.Err == nil {
		return nil
	}
	r := slog.NewRecord(time.Now(), o.chooseLevel(), o.chooseMessage(), 0)
	if o.Run != nil {
		r.AddAttrs(slog.Bool("complete", o.IsComplete()))
	}
	r.AddAttrs(slog.String("outcome", string(o.Word)), slog.Int("exit_code", o.Word.Code()))
	if o.Run != nil {
		r.AddAttrs(o.Run.listAttrs(o)...)
	}
	if o.Err != nil {
		r.AddAttrs(slog.String("error", o.Err.Error()))
	}
	if o.Reason != "" {
		r.AddAttrs(slog.String("reason", o.Reason))
	}
	if o.Hint != "" {
		r.AddAttrs(slog.String("hint", o.Hint))
	}
	return h.Handle(context.Background(), r)
}

// chooseMessage returns "done" for every route that ran, so that one word finds
// them all.
func (o *Outcome) chooseMessage() string {
	switch {
	case o.Run != nil:
		return "done"
	case o.Word == NotStarted:
		return "not started"
	case o.Word == Interrupted:
		return "interrupted"
	}
	return "failed"
}

func (o *Outcome) chooseLevel() slog.Level {
	switch o.Word {
	case Complete, Stopped:
		if o.Run != nil && (o.Run.Counts.needAttention() || o.Run.Archive != "") {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case Interrupted:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// needAttention tells whether somebody should look at the counts of a run that
// ended well.
func (c *Counts) needAttention() bool {
	for _, shown := range c.listShown() {
		if shown.warning && shown.n > 0 {
			return true
		}
	}
	return false
}

func (r *Run) listAttrs(o *Outcome) []slog.Attr {
	c := &r.Counts
	attrs := []slog.Attr{slog.Int64("read", c.Read)}
	if r.To != "" {
		attrs = append(attrs, slog.Int64("written", c.Written))
	}
	if o.HadNothingToDo() {
		attrs = append(attrs, slog.Bool("nothing_to_do", true))
	}
	for _, shown := range c.listShown() {
		if shown.n > 0 {
			attrs = append(attrs, slog.Int64(shown.name, shown.n))
		}
	}
	if len(r.Parked) > 0 {
		attrs = append(attrs, slog.Any("parked_places", r.Parked))
	}
	if len(r.Reasons) > 0 {
		attrs = append(attrs, slog.Any("set_aside_by_reason", r.Reasons))
	}
	if r.Rewrap != nil {
		attrs = append(attrs, slog.Int64("rewrapped", r.Rewrap.Rewrapped),
			slog.Int64("rewrapped_before", r.Rewrap.Before), slog.Int64("data_keys", r.Rewrap.DataKeys))
	}
	if r.Receipt != "" {
		attrs = append(attrs, slog.String("receipt", r.Receipt))
	}
	if r.Archive != "" {
		attrs = append(attrs, slog.String("archive", r.Archive))
	}
	return append(attrs, slog.Int64("bytes_read", c.BytesRead), slog.Int64("bytes_written", c.BytesWritten),
		slog.String("took", r.Took.Round(time.Millisecond).String()))
}
