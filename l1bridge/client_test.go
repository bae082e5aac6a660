package l1bridge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/testkit/l1test"
	"github.com/motet-evm/motet/l1bridge"
)

func TestDialFailsInOneLine(t *testing.T) {
	l1 := l1test.StartDev(t)
	notL1 := httptest.NewServer(http.NotFoundHandler())
	defer notL1.Close()
	for _, c := range []struct {
		cfg  l1bridge.Config
		want string
		is   error
	}{
		{l1bridge.Config{URL: "http://127.0.0.1:1"}, "connection refused", motet.ErrUnavailable},
		{l1bridge.Config{URL: notL1.URL}, "404", motet.ErrUnavailable},
		{l1bridge.Config{URL: l1.URL, ChainID: 5}, "has chain id 1337, not 5", l1bridge.ErrForeign},
		{l1bridge.Config{URL: "ftp://x"}, "no http or https URL", nil},
		{l1bridge.Config{}, "no http or https URL", nil},
	} {
		c.cfg.Log = discard()
		_, err := l1bridge.Dial(t.Context(), c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, c.want)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v is no %v", err, c.is)
		}
	}
}

func TestCheckRollupTellsForeignL1(t *testing.T) {
	s := newSUT(t, l1test.StartDev(t))
	for name, change := range map[string]func(*motet.Rollup){
		"chain id": func(r *motet.Rollup) { r.L1ChainID++ },
		"begin":    func(r *motet.Rollup) { r.L1Genesis.Hash[0]++ },
		"no block": func(r *motet.Rollup) { r.L1Genesis.Number += 1000 },
		"no code":  func(r *motet.Rollup) { r.Inbox[0]++ },
		"config":   func(r *motet.Rollup) { r.BlockTime++ },
	} {
		r := *s.rollup
		change(&r)
		if err := s.client.CheckRollup(t.Context(), &r); !errors.Is(err, l1bridge.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBusyL1IsAskedAgain(t *testing.T) {
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":"0x5"}`)
	}))
	defer srv.Close()
	c, err := l1bridge.Dial(t.Context(), l1bridge.Config{URL: srv.URL, ChainID: 5, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if calls.Load() != 3 {
		t.Errorf("asked %d times", calls.Load())
	}
}

// beaconFake serves one blob, as the paths it is told to, and notes what it was
// asked.
type beaconFake struct {
	blob  []byte
	serve string // blobs, blob_sidecars, or none
	asked []string
}

func (b *beaconFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/eth/v1/beacon/"), "/")
	switch {
	case strings.HasSuffix(r.URL.Path, "/config/spec"):
		fmt.Fprint(w, `{"data":{"SECONDS_PER_SLOT":"1"}}`)
	case kind == "genesis":
		fmt.Fprint(w, `{"data":{"genesis_time":"100"}}`)
	case kind == b.serve:
		b.asked = append(b.asked, r.URL.Path)
		var data any = []hexutil.Bytes{b.blob}
		if kind == "blob_sidecars" {
			data = []map[string]hexutil.Bytes{{"blob": b.blob}}
		}
		json.NewEncoder(w).Encode(map[string]any{"data": data})
	default:
		b.asked = append(b.asked, r.URL.Path)
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestBlobSources(t *testing.T) {
	l1 := l1test.StartDev(t)
	s := newSUT(t, l1)
	archive := t.TempDir()
	s.client = dialWith(t, l1bridge.Config{URL: l1.URL, ArchiveDir: archive})
	signed := s.post(t, l1bridge.DABlobs, []byte("payload"))
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(signed.Raw); err != nil {
		t.Fatal(err)
	}
	right := tx.BlobTxSidecar().Blobs[0]
	wrong := new(kzg4844.Blob)
	tip, err := s.inbox(t, l1bridge.DAAuto).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	origin, err := s.client.Origin(t.Context(), tip.L1Block)
	if err != nil {
		t.Fatal(err)
	}
	slot := origin.Time - 100

	for _, c := range []struct {
		name, serve, archive string
		blob                 []byte
		asked                []string
		ok                   bool
	}{
		{"blobs first", "blobs", "", right[:], []string{"blobs"}, true},
		{"then sidecars", "blob_sidecars", "", right[:], []string{"blobs", "blobs", "blob_sidecars"}, true},
		{"then the archive", "none", archive, nil, []string{"blobs", "blobs", "blob_sidecars"}, true},
		{"a wrong blob counts for nothing", "blobs", archive, wrong[:], []string{"blobs", "blobs", "blob_sidecars"}, true},
		{"a wrong blob alone", "blobs", "", wrong[:], []string{"blobs", "blobs", "blob_sidecars"}, false},
		{"nobody", "none", "", nil, []string{"blobs", "blobs", "blob_sidecars"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &beaconFake{blob: c.blob, serve: c.serve}
			srv := httptest.NewServer(fake)
			defer srv.Close()
			client := dialWith(t, l1bridge.Config{URL: l1.URL, BeaconURL: srv.URL, ArchiveDir: c.archive})
			reader := l1bridge.NewReader(client, l1bridge.ReaderConfig{Inbox: s.rollup.Inbox})
			block, err := reader.Block(t.Context(), tip.L1Block)
			switch {
			case c.ok && (err != nil || string(block.Batches[0].Payload) != "payload"):
				t.Errorf("%+v (%v)", block, err)
			case !c.ok && !errors.Is(err, motet.ErrUnavailable):
				t.Errorf("got %v, want it unavailable", err)
			}
			var want []string
			for _, kind := range c.asked {
				want = append(want, fmt.Sprintf("/eth/v1/beacon/%s/%d", kind, slot))
			}
			if fmt.Sprint(fake.asked) != fmt.Sprint(want) {
				t.Errorf("asked %v, want %v", fake.asked, want)
			}
		})
	}
}

// TestSecretsOfURLsStayInside: an L1 behind credentials, a key in the path and one
// in the query can be used, and no error names them.
func TestSecretsOfURLsStayInside(t *testing.T) {
	l1 := l1test.StartDev(t)
	s := newSUT(t, l1)
	s.post(t, l1bridge.DABlobs, []byte("payload"))
	tip, err := s.inbox(t, l1bridge.DAAuto).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(l1.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		path, inside := strings.CutPrefix(r.URL.Path, "/v3/pathsekret")
		if !inside || user != "me" || password != "wordsekret" || r.URL.Query().Get("key") != "querysekret" {
			t.Errorf("asked %s as %q", r.URL, user)
		}
		r.URL.Path = path
		httputil.NewSingleHostReverseProxy(to).ServeHTTP(w, r)
	}))
	secret := strings.Replace(front.URL, "://", "://me:wordsekret@", 1) + "/v3/pathsekret?key=querysekret"
	read := func(cfg l1bridge.Config) (*l1bridge.Client, func() error) {
		client := dialWith(t, cfg)
		return client, func() error {
			block, err := l1bridge.NewReader(client, l1bridge.ReaderConfig{Inbox: s.rollup.Inbox}).Block(t.Context(), tip.L1Block)
			if err == nil && string(block.Batches[0].Payload) != "payload" {
				t.Errorf("%+v", block)
			}
			return err
		}
	}
	client, all := read(l1bridge.Config{URL: secret})
	_, blobs := read(l1bridge.Config{URL: l1.URL, BeaconURL: secret})
	for _, read := range []func() error{all, blobs} {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	front.Close()
	_, dial := l1bridge.Dial(t.Context(), l1bridge.Config{URL: secret, Log: discard()})
	_, bad := l1bridge.Dial(t.Context(), l1bridge.Config{URL: strings.Replace(secret, "http", "ftp", 1), Log: discard()})
	_, eth := client.Eth().BlockNumber(t.Context())
	for name, err := range map[string]error{"dial": dial, "bad URL": bad, "ethclient": eth, "read": all(), "beacon": blobs()} {
		if err == nil || strings.Contains(err.Error(), "sekret") || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func dialWith(t *testing.T, cfg l1bridge.Config) *l1bridge.Client {
	t.Helper()
	cfg.Log = discard()
	c, err := l1bridge.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
