package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// serveRPC answers JSON-RPC over HTTP POST. It checks what geth's server does
// not check, or checks only after having paid for it, and answers batches of
// submissions itself; everything else goes to geth's server.
func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request) {
	if !jsonContent(r.Header.Get("Content-Type")) {
		http.Error(w, "invalid content type, only application/json is supported", http.StatusUnsupportedMediaType)
		return
	}
	body, refused := readBody(w, r, maxBody)
	if refused != nil {
		http.Error(w, refused.text, refused.status)
		return
	}
	s.metrics.requests.WithLabelValues("rpc").Inc()
	if len(bytes.TrimSpace(body)) == 0 {
		writeRPCError(w, false, nil, &Error{Code: CodeParse, Message: "empty request body"})
		return
	}
	sh := scan(body)
	switch {
	case sh.deep:
		writeRPCError(w, false, nil, &Error{Code: CodeInvalidRequest, Message: "request is nested too deeply"})
		return
	case sh.items > maxBatch:
		writeRPCError(w, true, firstID(body), &Error{Code: CodeInvalidRequest, Message: "batch too large"})
		return
	}
	if s.pool != nil && s.serveSubmissions(w, r, body, sh) {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	s.rpc.ServeHTTP(w, r)
}

// refusal says why a body is not taken.
type refusal struct {
	status int
	text   string
}

// readBody reads a body of at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *refusal) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "request bodies must not be compressed"}
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("content length too large (%d>%d)", r.ContentLength, limit)}
	}
	buf := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead))
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("request body is larger than %d bytes", limit)}
		}
		return nil, &refusal{http.StatusBadRequest, "request body could not be read"}
	}
	return buf.Bytes(), nil
}

func jsonContent(header string) bool {
	mt, _, err := mime.ParseMediaType(header)
	if err != nil {
		return false
	}
	return mt == "application/json" || mt == "application/json-rpc" || mt == "application/jsonrequest"
}

// writeRPCError answers a request that was refused as a whole. As geth does, a
// refused batch is answered by an array of one.
func writeRPCError(w http.ResponseWriter, batch bool, id json.RawMessage, e *Error) {
	if id == nil {
		id = json.RawMessage("null")
	}
	out := appendRPCError(nil, id, e)
	if batch {
		out = append(append([]byte{'['}, out...), ']')
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out)
}

func appendRPCError(out []byte, id json.RawMessage, e *Error) []byte {
	enc, err := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{e.Code, e.Message, e.Data})
	if err != nil {
		enc = []byte(`{"code":-32603,"message":"internal error"}`)
	}
	out = append(out, `{"jsonrpc":"2.0","id":`...)
	out = append(out, id...)
	out = append(out, `,"error":`...)
	out = append(out, enc...)
	return append(out, '}')
}

// firstID returns the id of a batch's first element, if that is an object with
// one: the answer to a refused batch carries it, since some clients match
// nothing else.
func firstID(body []byte) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil
	}
	var first struct {
		ID json.RawMessage `json:"id"`
	}
	if err := dec.Decode(&first); err != nil || !scalar(first.ID) {
		return nil
	}
	return first.ID
}

// scalar reports whether id is what JSON-RPC allows as one.
func scalar(id json.RawMessage) bool {
	return len(id) > 0 && id[0] != '{' && id[0] != '['
}
