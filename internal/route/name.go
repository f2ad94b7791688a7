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

// NamesOfEnds returns the names of both ends, without secrets. It opens
// nothing; an end that cannot be read, or is not there, has an empty name.
func NamesOfEnds(c Config, env Env) (from, to string) {
	ends := env.complete().Endpoints
	name := func(url string, roles ...endpoint.Role) string {
		for _, role := range roles {
			if end, err := ends.Parse(url, role); url != "" && err == nil {
				return end.Traits().Name
			}
		}
		return ""
	}
	return name(c.From, endpoint.From, endpoint.Look), name(c.To, endpoint.To)
}
