// Package contest has the parts of benches in which programs have their turns:
// the command under measurement, turns, their medians, targets with their
// verdicts, charts.
//
//	command.go  the command line of a bench: its children and its report
//	program.go  builds streamcrypt, and makes its commands
//	turn.go     the order of turns; a contender and the destination it fills
//	middle.go   medians and ratios of turns
//	figure.go   a target and the measured value
//	report.go   reads and writes a report as JSON
//	plot.go     a chart; svg.go and png.go draw it
//
// It must not know any broker, nor the work of its contenders.
package contest
