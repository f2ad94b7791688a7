package outcome

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sentence returns the last line for people, without a line feed. It is "" if
// no route ran.
func (o *Outcome) Sentence() string {
	if o.Run == nil || o.Word == NotStarted {
		return ""
	}
	var b strings.Builder
	b.WriteString(o.writeOpening())
	if !o.HadNothingToDo() {
		o.writeCounts(&b)
	}
	if o.Word == Stopped {
		b.WriteString("; the rest waits in the source")
	}
	return b.String()
}

// writeOpening returns the part of the sentence that says how the run ended.
func (o *Outcome) writeOpening() string {
	switch o.Word {
	case Complete:
		switch {
		case !o.HadNothingToDo():
			return "complete: "
		case o.Run.Checkpointed:
			return "nothing to do: earlier runs have carried everything that is in " + o.Run.From
		}
		return "nothing to do: there was nothing to read in " + o.Run.From
	case Stopped:
		return "stopped by a signal: "
	case Interrupted:
		return "NOT complete, interrupted: "
	case TakenOver:
		return "ended, since another process has taken over: "
	case BreakerOpen:
		return "NOT complete, the breaker is open: "
	default:
		return "NOT complete: "
	}
}

func (o *Outcome) writeCounts(b *strings.Builder) {
	c := &o.Run.Counts
	fmt.Fprintf(b, "%s read", groupDigits(c.Read))
	if o.Run.To != "" {
		fmt.Fprintf(b, ", %s written", groupDigits(c.Written))
	}
	if r := o.Run.Comparison; r != nil {
		fmt.Fprintf(b, ", %s alike", groupDigits(r.Counts.Matched))
	}
	for _, shown := range c.listShown() {
		if shown.n == 0 {
			continue
		}
		fmt.Fprintf(b, ", %s %s", groupDigits(shown.n), shown.text)
		if shown.name == "set_aside" {
			o.writeReasons(b)
		}
		if shown.name == "parked" && len(o.Run.Parked) > 0 {
			b.WriteString(": " + strings.Join(o.Run.Parked, " "))
		}
	}
	if r := o.Run.Rewrap; r != nil {
		fmt.Fprintf(b, ", %s rewrapped", groupDigits(r.Rewrapped))
		if r.Before > 0 {
			fmt.Fprintf(b, ", %s that were before", groupDigits(r.Before))
		}
	}
	if o.Run.Archive != "" {
		b.WriteString("; the archive: " + o.Run.Archive)
	}
	if o.Run.Receipt != "" {
		b.WriteString("; receipt " + o.Run.Receipt)
	}
	fmt.Fprintf(b, " (%s in %s)", writeSize(c.BytesRead), writeDuration(o.Run.Took))
}

// writeReasons says where and why messages were set aside.
func (o *Outcome) writeReasons(b *strings.Builder) {
	if o.Run.DeadLetters != "" {
		b.WriteString(" in " + o.Run.DeadLetters)
	}
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(o.Run.Reasons)) {
		words = append(words, fmt.Sprintf("%s: %s", reason, groupDigits(o.Run.Reasons[reason])))
	}
	if len(words) > 0 {
		b.WriteString(" (" + strings.Join(words, ", ") + ")")
	}
}

// groupDigits writes 1234567 as 1,234,567.
func groupDigits(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// writeSize writes a number of bytes with one digit behind the point.
func writeSize(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " bytes"
	}
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	size, unit := float64(n)/(1<<10), 0
	for size >= 1<<10 && unit < len(units)-1 {
		size, unit = size/(1<<10), unit+1
	}
	return strconv.FormatFloat(size, 'f', 1, 64) + " " + units[unit]
}

// writeDuration leaves out digits that nobody wants to read.
func writeDuration(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
