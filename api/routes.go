package api

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/cors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes builds the router.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.guard)
	if len(s.cfg.Origins) > 0 {
		r.Use(cors.Handler(cors.Options{
			AllowedOrigins: s.cfg.Origins,
			AllowedMethods: []string{http.MethodGet, http.MethodPost},
			AllowedHeaders: []string{"Content-Type", "Last-Event-ID"},
			MaxAge:         600,
		}))
	}
	ws := s.serveWS(s.rpc.WebsocketHandler([]string{"*"})) // guard has checked the origin
	r.Post("/", s.serveRPC)
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			ws(w, r)
			return
		}
		s.greet(w, r)
	})
	r.Get("/chain.json", s.getChain)
	r.Get("/livez", s.live)
	r.Get("/healthz", s.live)
	r.Get("/readyz", s.ready)
	r.Get("/ui", s.getUI)
	r.Get("/ui/", s.getUI)
	if s.gatherer != nil {
		r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(s.gatherer, promhttp.HandlerOpts{}))
	}
	r.Route("/v1", func(r chi.Router) {
		r.Post("/transactions", s.postTransactions)
		r.Get("/transactions/{hash}", s.getTransaction)
		r.Get("/blocks/{block}", s.getBlock)
		r.Get("/blocks/{block}/execution", s.getExecution)
		r.Get("/blocks/{block}/access-list", s.getAccessList)
		r.Get("/status", s.getStatus)
		r.Get("/events", s.getEvents)
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		problem(w, &Error{Code: CodeNotFound, Message: "there is nothing at " + r.URL.Path})
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusMethodNotAllowed, &Error{Code: CodeInvalidRequest, Message: r.Method + " is not allowed here"})
	})
	return r
}

// guard refuses requests that a web page of somebody else's made: by a name
// that was rebound to this address, or across origins. An origin that is not a
// web page (a wallet's extension) passes.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		if !s.hostAllowed(r.Host) {
			s.metrics.dropped.WithLabelValues("host").Inc()
			http.Error(w, "host is not allowed", http.StatusForbidden)
			return
		}
		if !s.originAllowed(r) {
			s.metrics.dropped.WithLabelValues("origin").Inc()
			http.Error(w, "origin is not allowed", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostAllowed: an address cannot be rebound, so all addresses pass.
func (s *Server) hostAllowed(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" || net.ParseIP(name) != nil {
		return true
	}
	return slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return h == "*" || strings.EqualFold(h, name) })
}

func (s *Server) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || origin == "null" {
		return slices.Contains(s.cfg.Origins, "*")
	}
	if u.Scheme != "http" && u.Scheme != "https" || strings.EqualFold(u.Host, r.Host) {
		return true
	}
	return slices.ContainsFunc(s.cfg.Origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) })
}

// greet tells somebody who opened the address in a browser what is here.
func (s *Server) greet(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"name": "Motet", "version": s.cfg.Version, "chain_id": s.config.ChainID.Uint64(),
		"json_rpc": "POST /", "websocket": "GET / with an upgrade", "rest": "/v1", "events": "/v1/events",
		"ui": "/ui", "ready": "/readyz", "metrics": "/metrics",
	})
}
