package l1bridge

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

const (
	attempts      = 4
	firstBackoff  = 100 * time.Millisecond
	answerTimeout = 20 * time.Second // checking six blobs takes seconds on a busy node
	dialTimeout   = 3 * time.Second
)

// retrier repeats requests that did not reach the server or that the server had
// no time for. Everything sent to L1 may be repeated: reads change nothing, and
// a signed transaction has one effect however often it arrives.
type retrier struct {
	next http.RoundTripper
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ResponseHeaderTimeout: answerTimeout,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   8,
	}
}

// RoundTrip implements http.RoundTripper.
func (r *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	backoff := firstBackoff
	for attempt := 1; ; attempt++ {
		once := req
		if req.Body != nil {
			if req.GetBody == nil {
				return nil, errors.New("request body cannot be repeated")
			}
			body, err := req.GetBody()
			if err != nil {
				return nil, fmt.Errorf("rewind request body: %w", err)
			}
			once = req.Clone(req.Context())
			once.Body = body
		}
		resp, err := r.next.RoundTrip(once)
		if attempt == attempts || req.Context().Err() != nil || (err == nil && !busy(resp.StatusCode)) {
			return resp, err
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
			resp.Body.Close()
		}
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(backoff/2 + rand.N(backoff)):
		}
		backoff *= 2
	}
}

func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}
