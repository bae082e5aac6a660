package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestConformanceOutput: a test that passes, one that is skipped and one that fails,
// as the two forms of output and the exit code tell it.
func TestConformanceOutput(t *testing.T) {
	dir := t.TempDir()
	// The transaction cannot be decoded, so it is refused whatever the rules are.
	test := func(name, fork, exception string) string {
		path := filepath.Join(dir, name+".json")
		write(t, path, `{"`+name+`":{"env":{"currentCoinbase":"0x0000000000000000000000000000000000000001","currentGasLimit":"0x10","currentNumber":"0x1",
			"currentTimestamp":"0x1"},"pre":{},"transaction":{},"post":{"`+fork+`":[{"hash":"0x`+strings.Repeat("0", 64)+`","logs":"0x`+strings.Repeat("0", 64)+`",
			"txbytes":"0x01"`+exception+`}]}}}`)
		return path
	}
	refused := `,"expectException":"TR_RLP"`
	passes, skipped := test("passes", "Cancun", refused), test("skipped", "Nonsense", refused)
	fails := test("fails", "Cancun", "")
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"statetest " + passes, exitOK, []string{"1 passed, 0 failed, 0 skipped"}},
		{"statetest --json " + passes, exitOK, []string{`"fork":"Cancun","index":0,"result":"passed"}`, `{"summary":true,"passed":1,"failed":0,"skipped":0,"reasons":{},`}},
		{"statetest " + skipped, exitOK, []string{"0 passed, 0 failed, 1 skipped", "skipped     1: go-ethereum does not know the fork Nonsense"}},
		{"statetest --json " + skipped, exitOK, []string{`"result":"skipped","reason":"go-ethereum does not know`, `"reasons":{"go-ethereum does not know the fork Nonsense":1}`}},
		{"statetest --executor serial " + dir, exitMismatch, []string{"FAILED " + fails + " fails Cancun/0: serial: the transaction is refused", "1 passed, 1 failed, 1 skipped"}},
		{"statetest --json " + fails, exitMismatch, []string{`"result":"failed","reason":"serial: `, `"failed":1`}},
		{"statetest --run fails.*/1 " + dir, exitUsage, nil},
		{"blocktest " + dir, exitUsage, nil},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), streams{&out, &errs}, strings.Fields(c.args)); code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.args, code, c.code, &errs)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: want %q in\n%s", c.args, want, &out)
			}
		}
	}
}
