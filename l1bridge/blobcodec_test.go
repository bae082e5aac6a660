package l1bridge

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/params"
)

func pointers(blobs []kzg4844.Blob) []*kzg4844.Blob {
	out := make([]*kzg4844.Blob, len(blobs))
	for i := range blobs {
		out[i] = &blobs[i]
	}
	return out
}

func TestBlobCountAtTheEdges(t *testing.T) {
	for _, c := range []struct{ size, blobs int }{
		{0, 1}, {1, 1}, {blobBytes - lengthBytes, 1}, {blobBytes - lengthBytes + 1, 2}, {MaxPayload, MaxBlobs},
	} {
		payload := bytes.Repeat([]byte{0xff}, c.size)
		blobs, err := packBlobs(payload)
		if err != nil || len(blobs) != c.blobs {
			t.Fatalf("%d bytes took %d blobs, want %d (%v)", c.size, len(blobs), c.blobs, err)
		}
		got, err := unpackBlobs(pointers(blobs))
		if err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes came back as %d (%v)", c.size, len(got), err)
		}
	}
	if _, err := packBlobs(make([]byte, MaxPayload+1)); !errors.Is(err, ErrPayloadTooLong) {
		t.Errorf("one byte too many: %v", err)
	}
}

func TestUnpackRefusesOtherEncodings(t *testing.T) {
	packed := func() []kzg4844.Blob {
		blobs, err := packBlobs([]byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		return blobs
	}
	cases := map[string]func() []kzg4844.Blob{
		"no blobs":         func() []kzg4844.Blob { return nil },
		"one blob more":    func() []kzg4844.Blob { return append(packed(), kzg4844.Blob{}) },
		"element too high": func() []kzg4844.Blob { b := packed(); b[0][64] = 1; return b },
		"padding":          func() []kzg4844.Blob { b := packed(); b[0][len(b[0])-1] = 1; return b },
		"length too long":  func() []kzg4844.Blob { b := packed(); b[0][1] = 0xff; return b },
	}
	for name, blobs := range cases {
		if got, err := unpackBlobs(pointers(blobs())); err == nil {
			t.Errorf("%s: accepted as %d bytes", name, len(got))
		}
	}
}

// FuzzUnpack feeds arbitrary blobs: whatever is accepted must pack to the very
// same blobs, and whatever was packed must be accepted.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{}, uint8(0), uint32(0))
	f.Add([]byte("payload"), uint8(1), uint32(3))
	f.Add(bytes.Repeat([]byte{7}, 4000), uint8(255), uint32(131071))
	f.Fuzz(func(t *testing.T, payload []byte, flip uint8, at uint32) {
		blobs, err := packBlobs(payload)
		if err != nil {
			t.Skip()
		}
		got, err := unpackBlobs(pointers(blobs))
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%d bytes came back as %d: %v", len(payload), len(got), err)
		}
		for i := range blobs {
			for e := 0; e < len(blobs[i]); e += params.BlobTxBytesPerFieldElement {
				if blobs[i][e] != 0 {
					t.Fatalf("element %d of blob %d may exceed the modulus", e/32, i)
				}
			}
		}
		blobs[0][int(at)%len(blobs[0])] ^= flip
		if got, err = unpackBlobs(pointers(blobs)); err != nil {
			return
		}
		again, err := packBlobs(got)
		if err != nil || len(again) != len(blobs) || again[0] != blobs[0] {
			t.Fatalf("two encodings of the same %d bytes (%v)", len(got), err)
		}
	})
}
