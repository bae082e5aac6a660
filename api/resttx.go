package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/motet-evm/motet"
)

const (
	// maxLine is the longest line of a stream: the largest transaction in hex,
	// with room for the JSON around it.
	maxLine = 300 << 10
	// streamBatch is how many lines of a stream become durable at once.
	streamBatch = 256
	waitDefault = 20 * time.Second
	waitMax     = 10 * time.Minute
)

// postTransactions submits one transaction, as JSON or as raw bytes, or a stream
// of them, one a line.
func (s *Server) postTransactions(w http.ResponseWriter, r *http.Request) {
	s.metrics.requests.WithLabelValues("rest").Inc()
	if s.pool == nil {
		problem(w, errNoPool)
		return
	}
	target, wait, bad := waitParams(r)
	if bad != nil {
		problem(w, bad)
		return
	}
	var raw []byte
	switch mt := mediaType(r.Header.Get("Content-Type")); mt {
	case "application/x-ndjson":
		if target != "" {
			problem(w, invalidParams("wait cannot be used with a stream"))
			return
		}
		s.streamTransactions(w, r)
		return
	case "application/json", "application/octet-stream":
		body, refused := readBody(w, r, maxLine)
		if refused != nil {
			writeProblem(w, refused.status, &Error{Code: CodeInvalidRequest, Message: refused.text})
			return
		}
		if raw = body; mt == "application/json" {
			if raw, bad = rawOf(body); bad != nil {
				problem(w, bad)
				return
			}
		}
	default:
		writeProblem(w, http.StatusUnsupportedMediaType, &Error{
			Code:    CodeInvalidRequest,
			Message: "content type must be application/json, application/octet-stream or application/x-ndjson",
		})
		return
	}
	hashes, errs := s.submit(r.Context(), [][]byte{raw}, nil)
	if errs[0] != nil {
		problem(w, errorOf(errs[0]))
		return
	}
	s.answerSubmission(w, r, hashes[0], target, wait)
}

// rawOf reads {"raw":"0x…"}.
func rawOf(body []byte) ([]byte, *Error) {
	var in struct {
		Raw *hexutil.Bytes `json:"raw"`
	}
	if bad := decodeStrict(body, &in); bad != nil {
		return nil, bad
	}
	if in.Raw == nil {
		return nil, invalidParams(`the field "raw" is missing`)
	}
	return *in.Raw, nil
}

// waitParams reads ?wait=STATE&timeout=DURATION.
func waitParams(r *http.Request) (target motet.State, wait time.Duration, bad *Error) {
	q := r.URL.Query()
	switch target = motet.State(q.Get("wait")); target {
	case "", motet.StatePreconfirmed, motet.StateSealed, motet.StateSafe, motet.StateFinalized:
	default:
		return "", 0, invalidParams(fmt.Sprintf("wait must be preconfirmed, sealed, safe or finalized, not %q", string(target)))
	}
	wait = waitDefault
	if t := q.Get("timeout"); t != "" {
		d, err := time.ParseDuration(t)
		if err != nil || d <= 0 {
			return "", 0, invalidParams(fmt.Sprintf("timeout must be a duration such as 5s, not %q", t))
		}
		wait = min(d, waitMax)
	}
	return target, wait, nil
}

// answerSubmission answers with the fate of an accepted transaction: at once, or
// when it has reached the state that the client waits for. Not reaching it in
// time is no error (202): the transaction is accepted all the same.
func (s *Server) answerSubmission(w http.ResponseWriter, r *http.Request, hash common.Hash, target motet.State, wait time.Duration) {
	w.Header().Set("Location", "/v1/transactions/"+hash.Hex())
	if target == "" {
		f, ok := s.fate(hash)
		if !ok {
			f = motet.Fate{Hash: hash, State: motet.StatePending}
		}
		writeJSON(w, http.StatusAccepted, s.describe(r.Context(), f))
		return
	}
	ctx, leave, ok := s.conns.enter(r, s.cfg.MaxConnsPerIP)
	if !ok { // too many wait already; the transaction is accepted all the same
		wait, ctx, leave = 0, r.Context(), func() {}
	}
	defer leave()
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // else the server takes the client for gone; a recorder has no deadlines
	_ = rc.SetWriteDeadline(time.Now().Add(wait + writeTimeout))
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f, reached := s.await(ctx, hash, target)
	f.Hash = hash
	out := s.describe(r.Context(), f)
	switch {
	case reached:
		writeJSON(w, http.StatusOK, out)
	case f.Final():
		p := problemOf(http.StatusUnprocessableEntity, &Error{Code: CodeRejected, Message: string(f.State) + ": " + f.Reason})
		p.Fate = &out
		w.Header().Set("Content-Type", "application/problem+json")
		writeStatus(w, p.Status, p)
	default:
		writeJSON(w, http.StatusAccepted, out)
	}
}

// lineAnswer answers one line of a stream.
type lineAnswer struct {
	Hash  *common.Hash `json:"hash,omitempty"`
	Error *lineError   `json:"error,omitempty"`
}

type lineError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// streamTransactions answers a stream of lines, each a JSON string or an object
// with the field raw, with one line each, in order. Lines that have arrived
// together become durable together.
func (s *Server) streamTransactions(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex() // unsupported by a recorder, and not needed there
	w.Header().Set("Content-Type", "application/x-ndjson")
	in := bufio.NewReaderSize(r.Body, maxLine)
	enc := json.NewEncoder(w)
	for {
		_ = rc.SetReadDeadline(time.Now().Add(readTimeout))
		raws, fails, err := readLines(in)
		if len(raws) > 0 {
			hashes, errs := s.submit(r.Context(), raws, fails)
			_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
			for i := range raws {
				answer := lineAnswer{Hash: &hashes[i]}
				if errs[i] != nil {
					e := errorOf(errs[i])
					answer = lineAnswer{Error: &lineError{e.Code, e.Message}}
				}
				if enc.Encode(answer) != nil {
					return
				}
			}
			if rc.Flush() != nil {
				return
			}
		}
		select {
		case <-s.stopping:
			return
		default:
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = enc.Encode(lineAnswer{Error: &lineError{CodeParse, err.Error()}})
			}
			return
		}
	}
}

// readLines waits for one line and takes those that have arrived with it.
func readLines(in *bufio.Reader) (raws [][]byte, fails []error, err error) {
	for len(raws) < streamBatch {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return raws, fails, fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			raw, bad := rawOfLine(line)
			raws, fails = append(raws, raw), append(fails, bad)
		}
		if err != nil {
			return raws, fails, err
		}
		if buffered, _ := in.Peek(in.Buffered()); bytes.IndexByte(buffered, '\n') < 0 && len(raws) > 0 {
			break
		}
	}
	return raws, fails, nil
}

func rawOfLine(line []byte) ([]byte, error) {
	if line[0] == '"' {
		var raw hexutil.Bytes
		if err := json.Unmarshal(line, &raw); err != nil {
			return nil, invalidParams(err.Error())
		}
		return raw, nil
	}
	raw, bad := rawOf(line)
	if bad != nil {
		return nil, bad
	}
	return raw, nil
}
