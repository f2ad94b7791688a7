// Package deploy holds the checks of everything that is shipped beside the
// program: image, packages, chart, unit, firewall rules. The folders here have
// no code, and nothing imports this package.
//
//	firewall_test.go    the rules, in a network namespace of their own
//	unit_test.go        the unit, by systemd-analyze
//	chart_test.go       the chart, by helm and kubectl-validate
//	release_test.go     archives and packages of "make release", twice
//	image_test.go       the image, by a container engine
//
// A check that takes minutes runs in "make release-check" alone, which sets
// TEST_RELEASE. There a missing tool is a failure; elsewhere it is a skip that
// says which check was not made.
package deploy
