package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/motet-evm/motet"
)

func TestRESTSubmit(t *testing.T) {
	s := newSUT(t)
	a, b := transfer(0, 0), transfer(1, 0)
	status, answer := s.post("/v1/transactions", "application/json", `{"raw":"`+rawHex(t, a)+`"}`)
	if status != 202 || !strings.Contains(answer, `"state":"pending"`) || !strings.Contains(answer, a.Hash().Hex()) {
		t.Fatalf("JSON: %d %s", status, answer)
	}
	if status, answer = s.post("/v1/transactions", "application/octet-stream", string(must(b.MarshalBinary()))); status != 202 {
		t.Fatalf("bytes: %d %s", status, answer)
	}
	status, answer = s.post("/v1/transactions", "application/json", `{"raw":"`+rawHex(t, transfer(2, 3))+`"}`)
	if status != 202 || !strings.Contains(answer, `"state":"queued"`) {
		t.Fatalf("gap: %d %s", status, answer)
	}
	s.slice()
	status, answer = s.get("/v1/transactions/" + a.Hash().Hex())
	if status != 200 || !strings.Contains(answer, `"state":"preconfirmed"`) || !strings.Contains(answer, `"blockHash":null`) {
		t.Fatalf("preconfirmed: %d %s", status, answer)
	}
	s.seal()
	status, answer = s.get("/v1/transactions/" + a.Hash().Hex())
	if status != 200 || !strings.Contains(answer, `"state":"sealed"`) || !strings.Contains(answer, `"status":"0x1"`) {
		t.Fatalf("sealed: %d %s", status, answer)
	}
	noErr(t, s.chain.Label(motet.RefOf(s.chain.Head()), motet.RefOf(s.chain.Genesis().Header())))
	if _, answer = s.get("/v1/transactions/" + a.Hash().Hex()); !strings.Contains(answer, `"state":"safe"`) {
		t.Fatalf("safe: %s", answer)
	}
	for path, want := range map[string]string{
		"/v1/blocks/1": `"number":1`, "/v1/blocks/0x1": `"number":1`, "/v1/blocks/latest": `"status":"safe"`, "/v1/blocks/safe": `"number":1`,
		"/v1/blocks/finalized": `"number":0`, "/v1/blocks/earliest": `"number":0`, "/v1/blocks/" + s.chain.Head().Hash().Hex(): a.Hash().Hex(),
		"/v1/blocks/1?full=true": `"from":"` + strings.ToLower(testAddr(0).Hex()), "/v1/status": `"chain_id":4242`, "/chain.json": `"chainId":"0x1092"`,
		"/livez": `"ok"`, "/healthz": `"ok"`, "/readyz": `"ok"`, "/readyz?verbose": `"serving"`, "/metrics": "motet_api_requests_total", "/ui": "<html lang",
	} {
		if status, answer := s.get(path); status != 200 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %.300s, want %s", path, status, answer, want)
		}
	}
}

func TestRESTRefusals(t *testing.T) {
	s := newSUT(t)
	for _, c := range []struct {
		name, path, contentType, body string
		status                        int
		want                          string
	}{
		{"unknown field", "/v1/transactions", "application/json", `{"raw":"0x","gas":1}`, 400, `unknown field \"gas\"`},
		{"no field", "/v1/transactions", "application/json", `{}`, 400, `the field \"raw\" is missing`},
		{"not JSON", "/v1/transactions", "application/json", `{`, 400, `"code":-32700`},
		{"two values", "/v1/transactions", "application/json", `{"raw":"0x"}{}`, 400, `more than one`},
		{"not hex", "/v1/transactions", "application/json", `{"raw":"zz"}`, 400, ``},
		{"wrong type", "/v1/transactions", "text/plain", `x`, 415, `"code":-32600`},
		{"no transaction", "/v1/transactions", "application/octet-stream", `x`, 422, `"code":-32000`},
		{"too large", "/v1/transactions", "application/octet-stream", strings.Repeat("x", maxLine+1), 413, `"title":"Request Entity Too Large","status":413,"detail":"content length too large (307201\u003e307200)","code":-32600`},
		{"wait for nothing", "/v1/transactions?wait=forever", "application/json", `{}`, 400, `wait must be`},
		{"timeout of nothing", "/v1/transactions?wait=sealed&timeout=soon", "application/json", `{}`, 400, `timeout must be`},
		{"wait with a stream", "/v1/transactions?wait=sealed", "application/x-ndjson", ``, 400, `stream`},
	} {
		if status, answer := s.post(c.path, c.contentType, c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, answer, c.status, c.want)
		}
	}
	for path, want := range map[string]int{
		"/v1/transactions/0x12": 400, "/v1/transactions/0x" + strings.Repeat("0", 64): 404, "/v1/blocks/7": 404, "/v1/blocks/x": 400,
		"/v1/blocks/1?full=perhaps": 400, "/v1/events?types=none": 400, "/v1/events?after=1": 400, "/v1/nothing": 404,
	} {
		if status, answer := s.get(path); status != want || !strings.Contains(answer, `"status":`) {
			t.Errorf("%s: %d %s, want %d", path, status, answer, want)
		}
	}
}

func TestRESTWait(t *testing.T) {
	s := newSUT(t)
	for i, c := range []struct {
		state string
		act   func()
	}{
		{"preconfirmed", s.slice},
		{"sealed", s.mine},
		{"safe", func() {
			s.mine()
			noErr(t, s.chain.Label(motet.RefOf(s.chain.Head()), motet.RefOf(s.chain.Genesis().Header())))
		}},
	} {
		tx := transfer(i, 0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			status, answer := s.post("/v1/transactions?wait="+c.state, "application/json", `{"raw":"`+rawHex(t, tx)+`"}`)
			if status != 200 || !strings.Contains(answer, `"state":"`+c.state+`"`) || !strings.Contains(answer, `"receipt":{`) {
				t.Errorf("%s: %d %s", c.state, status, answer)
			}
		}()
		eventually(t, "accepted", func() bool { _, ok := s.pool.Fate(tx.Hash()); return ok })
		c.act()
		<-done
	}
	status, answer := s.post("/v1/transactions?wait=sealed&timeout=20ms", "application/json", `{"raw":"`+rawHex(t, transfer(5, 0))+`"}`)
	if status != 202 || !strings.Contains(answer, `"state":"pending"`) {
		t.Errorf("timeout: %d %s", status, answer)
	}
}

func TestRESTStream(t *testing.T) {
	s := newSUT(t)
	const n = 600
	var body strings.Builder
	for i := range n {
		if tx := transfer(i%10, uint64(i/10)); i%2 == 0 {
			body.WriteString(`"` + rawHex(t, tx) + "\"\n")
		} else {
			body.WriteString(`{"raw":"` + rawHex(t, tx) + "\"}\n")
		}
	}
	body.WriteString("\nnonsense\n" + `"0x02"`)
	status, answer := s.post("/v1/transactions", "application/x-ndjson", body.String())
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	if status != 200 || len(lines) != n+2 {
		t.Fatalf("%d, %d lines", status, len(lines))
	}
	for i, line := range lines[:n] {
		if want := transfer(i%10, uint64(i/10)).Hash().Hex(); !strings.Contains(line, want) {
			t.Fatalf("line %d: %s, want %s", i, line, want)
		}
	}
	if !strings.Contains(lines[n], `"code":-32700`) || !strings.Contains(lines[n+1], `"typed transaction too short"`) {
		t.Fatalf("last lines %s %s", lines[n], lines[n+1])
	}
}

func TestReadiness(t *testing.T) {
	failing := errors.New("no route to L1")
	s := newSUT(t, func(_ *Config, d *Deps) {
		d.Checks = []Check{{"l1", func(context.Context) error { return failing }}, {"disk", func(context.Context) error { return nil }}}
	})
	status, answer := s.get("/readyz")
	if status != 503 || !strings.Contains(answer, "no route to L1") || strings.Contains(answer, "disk") {
		t.Errorf("%d %s", status, answer)
	}
	failing = nil
	if status, answer = s.get("/readyz?verbose"); status != 200 || !strings.Contains(answer, "disk") {
		t.Errorf("%d %s", status, answer)
	}
}

// TestNotesInformOnly: what does not stop blocks stands in the verbose answer, and
// the node stays ready.
func TestNotesInformOnly(t *testing.T) {
	reason, since := "", time.Time{}
	s := newSUT(t, func(_ *Config, d *Deps) {
		d.Notes = []Note{{Name: "l1", State: func() (string, time.Time) { return reason, since }}}
	})
	const serving = `{"name":"serving","ok":true}`
	ask := func(path, checks string) {
		t.Helper()
		status, answer := s.get(path)
		if want := `{"checks":[` + checks + `],"status":"ok"}`; status != 200 || strings.TrimSpace(answer) != want {
			t.Errorf("%d %s, want %s", status, answer, want)
		}
	}
	ask("/readyz?verbose", serving+`,{"name":"l1","ok":true,"informational":true}`)
	reason, since = "connection refused", time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	ask("/readyz?verbose", serving+`,{"name":"l1","ok":false,"reason":"connection refused","informational":true,"since":"2026-01-02T02:04:05Z"}`)
	ask("/readyz", "")
}

// event is one of an event stream.
type event struct{ id, name, data string }

// listen opens an event stream; next waits for an event of it.
func (s *sut) listen(query string, header ...string) (next func() event, closeStream func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/events"+query, nil)
	noErr(s.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.http.Do(req) //nolint:bodyclose // an event stream ends with its context
	noErr(s.t, err)
	if res.StatusCode != 200 {
		b, _ := io.ReadAll(res.Body)
		s.t.Fatalf("events: %d %s", res.StatusCode, b)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 8<<20)
	next = func() event {
		s.t.Helper()
		timer := time.AfterFunc(10*time.Second, cancel)
		defer timer.Stop()
		var e event
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				if e.name != "" || e.id != "" {
					return e
				}
			}
		}
		s.t.Fatalf("event stream ended: %v", lines.Err())
		return e
	}
	return next, func() { cancel(); res.Body.Close() }
}

// TestEventsResume cuts a stream at every event and checks that the client who
// resumes gets exactly what follows, from memory and from the log.
func TestEventsResume(t *testing.T) {
	s := newSUT(t)
	next, done := s.listen("?types=open,slice,block,epoch")
	defer done()
	start := next() // the place at which the stream began
	if start.name != "" || start.id == "" {
		t.Fatalf("first event %+v", start)
	}
	for i := range 5 {
		s.send(transfer(0, uint64(i)))
		s.mine()
	}
	var all []event
	for len(all) < 15 {
		all = append(all, next())
	}
	if all[0].name != "open" || all[1].name != "slice" || all[2].name != "block" {
		t.Fatalf("events %+v", all[:3])
	}
	if !strings.Contains(all[1].data, transfer(0, 0).Hash().Hex()) || !strings.Contains(all[1].data, `"status":1`) {
		t.Fatalf("slice %s", all[1].data)
	}
	var block sealEvent
	noErr(t, json.Unmarshal([]byte(all[2].data), &block))
	if block.Number != 1 || block.Hash != s.chain.BlockHash(1) {
		t.Fatalf("block %+v", block)
	}
	for _, forget := range []bool{false, true} {
		if forget { // as after a restart: the window begins at the end of the log
			s.server.window.reset(s.server.window.end())
		}
		for cut := range all {
			id := start.id
			if cut > 0 {
				id = all[cut-1].id
			}
			resumed, stop := s.listen("?types=open,slice,block,epoch", "Last-Event-ID", id)
			for i, want := range all[cut:] {
				if got := resumed(); got != want {
					t.Fatalf("forget %v, cut %d, event %d: %+v, want %+v", forget, cut, i, got, want)
				}
			}
			stop()
		}
	}
	// And goes on live after having caught up.
	resumed, stop := s.listen("?types=block", "Last-Event-ID", all[0].id)
	defer stop()
	for range 5 {
		resumed()
	}
	s.mine()
	if got := resumed(); !strings.Contains(got.data, `"number":6`) {
		t.Fatalf("live event %+v", got)
	}
}

func TestEventsGapAndHeads(t *testing.T) {
	s := newSUT(t)
	s.mine()
	next, done := s.listen("", "Last-Event-ID", "99-5")
	defer done()
	if e := next(); e.name != "heads" || !strings.Contains(e.data, `"unsafe":{"number":1`) {
		t.Fatalf("first event %+v", e)
	}
	if e := next(); e.name != "gap" || !strings.Contains(e.data, `"after":"99-5"`) {
		t.Fatalf("no gap: %+v", e)
	}
	if e := next(); e.name != "epoch" {
		t.Fatalf("after the gap the log begins anew: %+v", e)
	}
	for next().name != "block" {
	}
	noErr(t, s.chain.Label(motet.RefOf(s.chain.Head()), motet.RefOf(s.chain.Genesis().Header())))
	if e := next(); e.name != "heads" || !strings.Contains(e.data, `"safe":{"number":1`) {
		t.Fatalf("heads %+v", e)
	}
}

// TestStopEndsStreams checks that a stop does not wait for streams and waiting
// requests.
func TestStopEndsStreams(t *testing.T) {
	s := newSUT(t)
	_, done := s.listen("")
	defer done()
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		status, answer := s.post("/v1/transactions?wait=sealed", "application/json", `{"raw":"`+rawHex(t, transfer(0, 0))+`"}`)
		if status != 202 {
			t.Errorf("waiting request: %d %s", status, answer)
		}
	}()
	eventually(t, "accepted", func() bool { n, _ := s.pool.Stats(); return n == 1 })
	time.Sleep(20 * time.Millisecond)
	start := time.Now()
	s.stop()
	<-waiting
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("stop took %v", took)
	}
}
