package api

import (
	_ "embed"
	"net/http"
)

//go:embed ui.html
var uiPage []byte

// getUI serves the page. It may load nothing from elsewhere, and what comes
// from the chain reaches it as text only.
func (s *Server) getUI(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(uiPage)
}
