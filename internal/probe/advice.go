package probe

import (
	"context"
	"fmt"
)

// Wish is the protocol that a client speaks.
type Wish struct {
	Protocol Protocol
	TLS      bool
}

// Advise asks the servers until one of them shows why a client that speaks
// another protocol, or speaks it otherwise, has failed. It returns advice, or
// "" if none of them does.
func (w Wish) Advise(ctx context.Context, servers []string) string {
	for _, server := range servers {
		if advice := w.explainAnswer(server, Identify(ctx, server)); advice != "" {
			return advice
		}
	}
	return ""
}

func (w Wish) explainAnswer(server string, a Answer) string {
	switch {
	case !a.Reached:
		return ""
	case a.Protocol == Unknown && a.TLS && !w.TLS, a.Protocol == w.Protocol && a.TLS && !w.TLS:
		return fmt.Sprintf("%s speaks TLS: say tls=true, and ca=FILE if the system does not know who signs its "+
			"certificate",
			server)
	case a.Protocol == w.Protocol && !a.TLS && w.TLS:
		return fmt.Sprintf("%s speaks no TLS: leave out tls=, ca= and cert=, or name the port that does", server)
	case a.Protocol == Unknown, a.Protocol == w.Protocol:
		return ""
	}
	return fmt.Sprintf("%s speaks %s, and %s is wanted: is the port or the scheme wrong?",
		server, a.Protocol, w.Protocol)
}
