package eventlog

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motet-evm/motet"
)

// TestOutsider shows what somebody without credentials can do to a server that
// listens: hear the log and read it, and nothing else.
func TestOutsider(t *testing.T) {
	s := newServer(t, ServerConfig{Listen: "127.0.0.1:0"})
	l := newLog(t, newConn(t, Config{}, s))
	in := newIntake(t, l.conn)
	subject := logSubject(testID.ChainID)

	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	heard, err := nc.SubscribeSync(subject)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, epochBody(1))
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	msg, err := heard.NextMsgWithContext(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if records, _, err := decodeMessage(msg.Data); err != nil || records[0].Kind() != KindEpoch {
		t.Fatal(records, err)
	}
	js, err := jetstream.NewWithAPIPrefix(nc, "MOTET.API")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, logStream)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.GetMsg(ctx, 1); err != nil {
		t.Fatal(err)
	}
	shortly := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	refused := map[string]error{}
	own, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	_, refused["make a stream over the log"] = own.CreateStream(shortly(), jetstream.StreamConfig{Name: "X", Subjects: []string{subject}})
	_, refused["publish to the log"] = js.Publish(shortly(), subject, []byte("x"))
	_, refused["publish to the intake"] = js.Publish(shortly(), in.w.subject, []byte("x"))
	_, refused["read the intake"] = js.Stream(shortly(), intakeStream)
	_, refused["make a consumer"] = stream.CreateConsumer(shortly(), jetstream.ConsumerConfig{})
	refused["delete the log"] = js.DeleteStream(shortly(), logStream)
	refused["purge the intake"] = js.DeleteStream(shortly(), intakeStream)
	for what, err := range refused {
		if err == nil {
			t.Errorf("an outsider can %s", what)
		}
	}
	expectRecords(t, l, 1)
	// Motet's own roles in other processes come with the password.
	role := newLog(t, newConn(t, Config{URL: s.RoleURL()}, nil))
	mustAppend(t, role, epochBody(2))
}

func TestNoListener(t *testing.T) {
	s := newServer(t, ServerConfig{})
	if s.URL() != "" || s.RoleURL() != "" {
		t.Fatalf("listens at %q", s.URL())
	}
}

func TestConnectNowhere(t *testing.T) {
	_, err := Connect(t.Context(), Config{URL: "nats://me:sekret@127.0.0.1:1", Timeout: time.Second},
		Deps{Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, motet.ErrUnavailable) || strings.Contains(err.Error(), "sekret") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatal(err)
	}
}

func TestCheckSync(t *testing.T) {
	for answer, want := range map[string]error{
		`{"jetstream":{"config":{"sync_always":true}}}`: nil,
		`{"jetstream":{"config":{}}}`:                   errExternalSync,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(answer)) // a test server
		}))
		defer srv.Close()
		cfg := Config{MonitorURL: srv.URL, Timeout: time.Second}
		if err := checkSync(t.Context(), cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, want) {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
