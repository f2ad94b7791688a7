// Package contest has the parts of benches in which programs have their turns:
// what a process took, medians of turns, targets with their verdicts, charts.
//
//	process.go  runs a contender, and reads what it took
//	middle.go   medians and ratios of turns
//	figure.go   a target and the measured value
//	plot.go     a chart; svg.go and png.go draw it
//
// It must not know any broker, nor what its contenders do.
package contest
