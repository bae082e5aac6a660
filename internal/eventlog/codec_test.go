package eventlog

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/motet-evm/motet"
)

func allBodies() []Body {
	return []Body{epochBody(1), openBody(1), sliceBody(1, 0, 100), sealBody(1), reorgBody(0)}
}

func encodeAll(t testing.TB, bodies ...Body) []byte {
	t.Helper()
	l := &Log{tail: Cursor{Generation: 5, Counter: 9}, hash: common.Hash{1}}
	b, err := l.encode(bodies)
	if err != nil {
		t.Fatal(err)
	}
	return b.payload
}

func TestCodecRoundTrip(t *testing.T) {
	bodies := allBodies()
	records, _, err := decodeMessage(encodeAll(t, bodies...))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if d := cmp.Diff(bodies[i], r.Body, cmpopts.EquateEmpty(), cmp.Comparer(sameBig)); d != "" {
			t.Errorf("%s: %s", r.Kind(), d)
		}
		if r.Generation != 5 || r.Counter != uint64(10+i) {
			t.Errorf("cursor %s of record %d", r.Cursor, i)
		}
	}
}

// TestCodecFlips shows that no single flipped bit goes unnoticed.
func TestCodecFlips(t *testing.T) {
	good := encodeAll(t, openBody(1), sliceBody(1, 0, 20))
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if _, _, err := decodeMessage(bad); err == nil {
				t.Fatalf("flip of bit %d of byte %d is not noticed", bit, i)
			}
		}
	}
	for n := range good {
		if records, _, err := decodeMessage(good[:n]); err == nil && len(records) != 1 {
			t.Fatalf("cut to %d bytes gives %d records", n, len(records))
		}
	}
}

func TestCursorForm(t *testing.T) {
	want := Cursor{Generation: 1795570807919, Counter: 42}
	if got, err := ParseCursor(want.String()); err != nil || got != want {
		t.Fatal(got, err)
	}
	for _, bad := range []string{"", "1", "-", "1-", "-1", "1-2-3", "a-1", "1-+2", "99999999999999999999-1"} {
		if _, err := ParseCursor(bad); !errors.Is(err, errCursorForm) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzDecodeMessage feeds hostile bytes to the decoder. What it accepts must
// encode to the same bytes again.
func FuzzDecodeMessage(f *testing.F) {
	for _, b := range allBodies() {
		f.Add(encodeAll(f, b))
	}
	f.Add(encodeAll(f, allBodies()...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		records, hash, err := decodeMessage(data)
		if err != nil {
			return
		}
		var (
			again []byte
			last  common.Hash
		)
		for i := range records {
			if again, last, err = appendRecord(again, &records[i]); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(again, data) || last != hash {
			t.Fatalf("accepted %x, encodes to %x", data, again)
		}
	})
}

// FuzzDecodeBody gets behind the checksum.
func FuzzDecodeBody(f *testing.F) {
	for _, b := range allBodies() {
		enc, err := encodeBody(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(b.Kind()), enc)
	}
	f.Fuzz(func(t *testing.T, kind uint8, enc []byte) {
		b, err := decodeBody(Kind(kind), enc)
		if err != nil {
			return
		}
		again, err := encodeBody(b)
		if err != nil || !bytes.Equal(again, enc) {
			t.Fatalf("%s: accepted %x, encodes to %x: %v", b.Kind(), enc, again, err)
		}
	})
}

// FuzzDecodeEntry does the same for the intake.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(encodeTxs(7, [][]byte{{1}, bytes.Repeat([]byte{2}, 200), {}}))
	fates, err := encodeFates(9, []motet.Fate{{Hash: common.Hash{1}, State: motet.StateReplaced, Reason: "fee", By: common.Hash{2}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fates)
	f.Fuzz(func(t *testing.T, data []byte) {
		// The checksum is repaired, so that the fuzzer gets behind it.
		if len(data) >= intakeOverhead {
			data = checksummed(bytes.Clone(data[:len(data)-4]))
		}
		e, err := decodeEntry(data)
		if err != nil {
			return
		}
		again := encodeTxs(e.next, e.txs)
		if data[1] == intakeFates {
			if again, err = encodeFates(e.next, e.fates); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("accepted %x, encodes to %x", data, again)
		}
	})
}

func sameBig(a, b *big.Int) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 }
