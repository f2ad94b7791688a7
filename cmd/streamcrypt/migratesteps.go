package main

import (
	"fmt"
	"strings"
)

// describeSteps lists the steps that a person takes after a migration has
// caught up, as commands, and the way back.
// from is the plaintext as it is looked at.
func (c *migrateCmd) describeSteps(from string) string {
	var b strings.Builder
	keys := ""
	for _, key := range c.Key {
		keys += " --key " + quoteWord(key)
	}
	b.WriteString("Cut over\n")
	step := 0
	say := func(format string, args ...any) {
		step++
		fmt.Fprintf(&b, "  %d. %s\n", step, fmt.Sprintf(format, args...))
	}
	run := func(command string) { fmt.Fprintf(&b, "       %s\n", command) }
	say("Keep the route running as a service. It is the same as this one, in the same group:")
	run("streamcrypt encrypt --from " + quoteWord(c.From) + " --to " + quoteWord(c.To) + keys)
	say("Where plaintext may be read, open the envelopes: SEALED is that end with a group or a consumer of its own, " +
		"and COPY is the end of the plaintext there:")
	run("streamcrypt decrypt --from SEALED --to COPY" + keys)
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

// showGroup returns a name as it can be typed, and a stand-in as it is.
func showGroup(name string) string {
	if name == "GROUP" {
		return name
	}
	return quoteWord(name)
}
