package api

import (
	"encoding/json"
	"net/http"
	"strings"
)

// problemJSON is an RFC 9457 problem. Code and Data are what a JSON-RPC client
// would be told.
type problemJSON struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Detail string    `json:"detail"`
	Code   int       `json:"code"`
	Data   any       `json:"data,omitempty"`
	Fate   *fateJSON `json:"fate,omitempty"`
}

func problemOf(status int, e *Error) problemJSON {
	return problemJSON{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code, Data: e.Data}
}

// problem answers with what the table says of e.
func problem(w http.ResponseWriter, e *Error) {
	writeProblem(w, e.status(), e)
}

func writeProblem(w http.ResponseWriter, status int, e *Error) {
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	writeStatus(w, status, problemOf(status, e))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	writeStatus(w, status, v)
}

func writeStatus(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(true)
	_ = enc.Encode(v) // the client is gone
}

// mediaType is the part of a Content-Type before its parameters.
func mediaType(header string) string {
	mt, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(mt))
}
