package main

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// AfterApply is called by kong: the steps repeat the flags that were given, on
// the command line or elsewhere.
func (c *migrateCmd) AfterApply(selected *kong.Context) error {
	c.flags = selected.Selected().Flags
	return nil
}

// sealsWith tells whether a flag makes the route.
func sealsWith(f *kong.Flag) bool {
	return f.Group.Title != "Migration" && !slices.Contains([]string{"from", "to", "plan", "json"}, f.Name)
}

// opensWith tells whether a flag that seals is needed to open as well.
func opensWith(f *kong.Flag) bool {
	return slices.Contains([]string{"key", "context", "bind", "key-context", "dictionary", "keystore"}, f.Name)
}

// listGiven returns flags that do not have their defaults, as they are typed.
func (c *migrateCmd) listGiven(wanted func(f *kong.Flag) bool) string {
	var b strings.Builder
	for _, f := range c.flags {
		if !f.Set || f.Group == nil || !wanted(f) {
			continue
		}
		value := reflect.Indirect(f.Target)
		values := []any{value.Interface()}
		if several, ok := value.Interface().([]string); ok {
			values = values[:0]
			for _, one := range several {
				values = append(values, one)
			}
		}
		for _, one := range values {
			switch text := fmt.Sprint(one); one := one.(type) {
			case bool:
				if one {
					b.WriteString(" --" + f.Name)
				}
			case speed:
				b.WriteString(" --" + f.Name + " " + text + "B/s")
			default:
				if !f.HasDefault || text != f.Default {
					b.WriteString(" --" + f.Name + " " + quoteWord(text))
				}
			}
		}
	}
	return b.String()
}

// describeSteps lists the steps that a person takes after a migration has
// caught up, as commands, and the way back.
// from is the plaintext as it is looked at.
func (c *migrateCmd) describeSteps(from string) string {
	var b strings.Builder
	b.WriteString("Cut over\n")
	step := 0
	say := func(format string, args ...any) {
		step++
		fmt.Fprintf(&b, "  %d. %s\n", step, fmt.Sprintf(format, args...))
	}
	run := func(command string) { fmt.Fprintf(&b, "       %s\n", command) }
	say("Keep the route running as a service. It is the same as this one, in the same group:")
	run("streamcrypt encrypt --from " + quoteWord(c.From) + " --to " + quoteWord(c.To) + c.listGiven(sealsWith))
	opening, signer := c.listGiven(opensWith), ""
	if c.Sign != "" {
		opening, signer = opening+" --signer SIGNER", ", SIGNER is the public key of "+quoteWord(c.Sign)
	}
	say("Where plaintext may be read, open the envelopes: SEALED is that end with a group or a consumer of its own, "+
		"and COPY is the end of the plaintext there%s:", signer)
	run("streamcrypt decrypt --from SEALED --to COPY" + opening)
	say("For each group of readers: stop it, find its positions, and start it on the copy. " +
		"Exit code 1 says not yet: wait, and say it again.")
	readers := c.Reader
	if len(readers) == 0 {
		readers = []string{"GROUP"}
	}
	for _, group := range readers {
		run(fmt.Sprintf("streamcrypt offsets --group %s --from %s --via %s --to COPY --apply %[1]s",
			showGroup(group), quoteWord(from), quoteWord(c.To)))
	}
	say("Let producers write on: the route seals everything that comes, and the plaintext is now only its input. " +
		"Give it the shortest retention that covers the longest stop of the route, " +
		"and take away all other rights to read it.")
	say("Delete the old plaintext when no group reads it, the copy is in use, and a comparison has found nothing: " +
		"lower retention.ms, or delete the records before the route's position. " +
		"Backups and mirrors of it are plaintext too.")
	b.WriteString("\nThe way back, until the plaintext is deleted\n")
	step = 0
	say("Stop the readers of the copy, and start them on %s: their group still has its positions there, "+
		"so they read again everything since the cut-over.", quoteWord(from))
	say("Stop the route, and delete the sealed topic and the copy. The plaintext was only read.")
	return b.String()
}

// describeComparison says that both sides were not compared, and how a person
// does it.
func (c *migrateCmd) describeComparison(cause string) string {
	return fmt.Sprintf("Both sides were not compared: %s.\n"+
		"Compare them before you cut over; KEY can open the envelopes:\n"+
		"       streamcrypt verify --from %s --against %s --key KEY%s\n\n",
		cause, quoteWord(c.plain), quoteWord(cmp.Or(c.sealed, c.To)),
		c.listGiven(func(f *kong.Flag) bool { return opensWith(f) && f.Name != "key" }))
}

// showGroup returns a name as it can be typed, and a stand-in as it is.
func showGroup(name string) string {
	if name == "GROUP" {
		return name
	}
	return quoteWord(name)
}
