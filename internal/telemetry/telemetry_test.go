package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestLoggerFormatsAndLevels(t *testing.T) {
	var buf bytes.Buffer
	log, err := NewLogger(&buf, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("hidden")
	log.Info("sealed block", "block", 7)
	var line struct {
		Level, Msg string
		Block      int
	}
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil || line.Level != "info" || line.Msg != "sealed block" || line.Block != 7 {
		t.Fatalf("%v: %s", err, buf.String())
	}
	buf.Reset()
	if log, err = NewLogger(&buf, "auto", "warn"); err != nil {
		t.Fatal(err)
	}
	log.Warn("slow", "elapsed", "2s")
	if got := buf.String(); !strings.Contains(got, "level=WARN msg=slow elapsed=2s") {
		t.Fatal(got)
	}
}

// TestDurationsAreSeconds: JSON has no unit, so there is one for all.
func TestDurationsAreSeconds(t *testing.T) {
	var buf bytes.Buffer
	log, err := NewLogger(&buf, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	log.With("pause", 3*time.Second).WithGroup("batch").Info("posted", "elapsed", 2167517*time.Nanosecond)
	for _, want := range []string{`"pause":3,`, `"elapsed":0.002167517}`} {
		if !strings.Contains(buf.String(), want) {
			t.Errorf("%s is not in %s", want, buf.String())
		}
	}
}

func TestLoggerRefusesUnknownWords(t *testing.T) {
	if _, err := NewLogger(&bytes.Buffer{}, "xml", "info"); err == nil {
		t.Error("format xml accepted")
	}
	if _, err := NewLogger(&bytes.Buffer{}, "json", "loud"); err == nil {
		t.Error("level loud accepted")
	}
}

func TestRegistryHoldsTheBuild(t *testing.T) {
	families, err := NewRegistry("v1").Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "motet_build_info" {
			return
		}
	}
	t.Fatal("motet_build_info is missing")
}
