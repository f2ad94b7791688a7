// Package deploy holds the checks of everything that is shipped beside the
// program: image, packages, chart, units, firewall rules. The folders here have
// no code, and nothing imports this package.
//
//	firewall_test.go      the rules, in a network namespace of their own
//	unit_test.go          the units, by systemd-analyze
//	chart_test.go         the chart, by helm and kubectl-validate
//	release_test.go       archives and packages of "make release", twice
//	install_test.go       the packages, installed in a Debian of their own
//	image_test.go         the image, by a container engine
//	afalg_test.go         the engine in the kernel, in a virtual machine
//	firstminutes_test.go  README's commands, from "go install" on
//
// A check that takes minutes runs in "make release-check" alone, which sets
// TEST_RELEASE. There a missing tool is a failure; elsewhere it is a skip that
// says which check was not made.
package deploy
