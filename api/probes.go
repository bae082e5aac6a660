package api

import (
	"context"
	"net/http"
	"time"
)

// checkTimeout bounds all checks of one probe together.
const checkTimeout = 2 * time.Second

// live answers as long as the process does. It depends on nothing else, or an
// outage elsewhere would become a restart here.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

type checkResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
	// Informational lines do not decide on readiness.
	Informational bool       `json:"informational,omitempty"`
	Since         *time.Time `json:"since,omitempty"`
}

// ready runs the checks and lists those that fail, or all and the notes if the
// query has verbose.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	verbose := r.URL.Query().Has("verbose")
	status, results := http.StatusOK, []checkResult{}
	add := func(name string, err error) {
		res := checkResult{Name: name, OK: err == nil}
		if err != nil {
			status, res.Reason = http.StatusServiceUnavailable, err.Error()
		}
		if verbose || err != nil {
			results = append(results, res)
		}
	}
	select {
	case <-s.stopping:
		add("serving", errStopping)
	default:
		add("serving", nil)
	}
	for _, c := range s.checks {
		add(c.Name, c.Run(ctx))
	}
	if verbose {
		for _, n := range s.notes {
			results = append(results, noted(n))
		}
	}
	out := map[string]any{"status": "ok", "checks": results}
	if status != http.StatusOK {
		out["status"] = "not ready"
	}
	writeJSON(w, status, out)
}

func noted(n Note) checkResult {
	reason, since := n.State()
	res := checkResult{Name: n.Name, OK: reason == "", Reason: reason, Informational: true}
	if !res.OK {
		since = since.UTC().Truncate(time.Second)
		res.Since = &since
	}
	return res
}

var errStopping = &Error{Code: CodeUnavailable, Message: "the server is stopping"}
