package ops

import (
	"net/http"
)

// serveResume has the places of a route go on that a breaker has stopped. It
// needs a token as a bearer: a browser sends a password by itself to everything
// that a page of a stranger names, and a bearer never.
func (s *Server) serveResume(o *Options) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if o.TokenFile == "" {
			http.Error(w, "resuming needs a token: start with --ops-token-file", http.StatusForbidden)
			return
		}
		if _, _, basic := r.BasicAuth(); basic {
			http.Error(w, "resuming needs the token as a bearer", http.StatusForbidden)
			return
		}
		name := r.PathValue("name")
		for _, route := range s.source.Routes() {
			if route.Name != name {
				continue
			}
			if route.Resume == nil {
				http.Error(w, "the route has no breaker, or is not open", http.StatusConflict)
				return
			}
			s.source.Log.Warn("a person resumes the route", "route", name, "from", r.RemoteAddr)
			route.Resume()
			s.rendered.forget()
			sayWord(w, http.StatusAccepted, "resumed")
			return
		}
		http.Error(w, "no such route", http.StatusNotFound)
	}
}
