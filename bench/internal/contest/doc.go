// Package contest has the parts of benches in which programs have their turns:
// medians of turns, targets with their verdicts, charts.
//
//	middle.go  medians and ratios of turns
//	figure.go  a target and the measured value
//	plot.go    a chart; svg.go and png.go draw it
//
// It must not know any broker, nor the work of its contenders.
package contest
