package l1bridge

import (
	"net/http"
	"net/url"
	"strings"
)

// endpoint sends requests to one URL. net/http names the URL of a request in its
// errors, so the requests carry only what redact leaves of it, and the parts that
// may be secret are added here.
type endpoint struct {
	url  *url.URL
	next http.RoundTripper
}

// clientTo returns a client for requests to redact(raw), or below it, that go to
// raw.
func clientTo(raw string, transport http.RoundTripper) (*http.Client, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errNoURL(raw)
	}
	return &http.Client{Transport: &endpoint{url: u, next: &retrier{next: transport}}}, nil
}

// RoundTrip implements http.RoundTripper.
func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil { // a redirect names its target completely
		return e.next.RoundTrip(req)
	}
	sent := req.Clone(req.Context())
	target := *e.url
	if below := req.URL; below.Path != "" {
		target.RawPath = strings.TrimSuffix(e.url.EscapedPath(), "/") + below.EscapedPath()
		target.Path = strings.TrimSuffix(e.url.Path, "/") + below.Path
	}
	target.User = nil
	target.RawQuery = strings.Trim(e.url.RawQuery+"&"+req.URL.RawQuery, "&")
	sent.URL = &target
	if user := e.url.User; user != nil && sent.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		sent.SetBasicAuth(user.Username(), password)
	}
	return e.next.RoundTrip(sent)
}

// redact drops what may be secret from a URL: credentials, path and query.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "L1"
	}
	return u.Scheme + "://" + u.Host
}
