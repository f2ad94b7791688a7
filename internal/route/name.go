package route

import (
	"path"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// NameOf returns the name of a route that logs, metrics and audit lines have:
// the configured one, or one of the direction and the end that is read, such as
// encrypt-orders. It opens nothing, and an end that cannot be read has no part
// in the name.
func NameOf(direction string, c Config, env Env) string {
	if c.Name != "" {
		return c.Name
	}
	from, err := env.complete().Endpoints.Parse(c.From, endpoint.From)
	if err != nil {
		if from, err = env.complete().Endpoints.Parse(c.From, endpoint.Look); err != nil {
			return direction
		}
	}
	t := from.Traits()
	switch {
	case t.Pipe:
		return direction + "-stdin"
	case t.Context != "":
		return direction + "-" + t.Context
	}
	_, location, _ := strings.Cut(t.Name, ":")
	return direction + "-" + path.Base(location)
}
