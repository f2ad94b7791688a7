package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// serviceLink matches the variables that Kubernetes sets in every pod for a
// Service called streamcrypt or streamcrypt-NAME, without envPrefix and its
// underscore: SERVICE_HOST, NAME_SERVICE_PORT_HTTP, PORT, PORT_6222_TCP_ADDR.
var serviceLink = regexp.MustCompile(
	`^([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// checkVariables refuses environment variables that look like settings and are
// none: one that is misspelled would leave its setting at the default. Those
// that Kubernetes makes of a Service's name are warned of, once.
func (p *program) checkVariables(environ []string) error {
	known := listVariables(p.parser)
	var links []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		suffix, ours := strings.CutPrefix(name, envPrefix+"_")
		switch {
		case !ours, slices.Contains(known, suffix):
		case serviceLink.MatchString(suffix):
			links = append(links, name)
		default:
			return refuseVariable(suffix, known)
		}
	}
	if len(links) > 0 {
		slices.Sort(links)
		p.log().Warn(
			"environment variables of a Kubernetes Service are ignored; enableServiceLinks: false keeps them away",
			"names", links)
	}
	return nil
}

// refuseVariable returns the error about a variable. Its value may be a secret
// and is not shown.
func refuseVariable(suffix string, known []string) error {
	text := "unknown environment variable " + envPrefix + "_" + suffix
	if near := address.FindNearest(suffix, known); near != "" {
		text += ", the nearest known one is " + envPrefix + "_" + near
	}
	return &usageError{
		err: &hint.Error{Err: errors.New(text),
			Hint: "unset it; every flag has a variable, --read-ahead " + envPrefix + "_READ_AHEAD"},
		command: "streamcrypt",
	}
}

// listVariables returns the variables of all flags of all commands, without
// envPrefix: one environment may serve several commands.
func listVariables(parser *kong.Kong) []string {
	var known []string
	_ = kong.Visit(parser.Model.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			for _, name := range flag.Envs {
				known = append(known, strings.TrimPrefix(name, envPrefix+"_"))
			}
		}
		return next(nil)
	})
	return known
}
