package l1bridge

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/params"
)

const (
	// elementBytes of a 32-byte field element carry payload. The first byte
	// stays zero, which keeps every element below the field's modulus.
	elementBytes = params.BlobTxBytesPerFieldElement - 1
	blobBytes    = params.BlobTxFieldElementsPerBlob * elementBytes

	// lengthBytes precede the payload in the first blob.
	lengthBytes = 4

	// MaxBlobs is the most blobs that one transaction may carry (EIP-7594).
	MaxBlobs = params.BlobTxMaxBlobs

	// MaxPayload is the longest payload that fits one batch.
	MaxPayload = MaxBlobs*blobBytes - lengthBytes

	// MaxCalldata is the longest payload that is posted as calldata: nodes
	// refuse to relay transactions of more than 128 KiB.
	MaxCalldata = 120_000
)

// ErrPayloadTooLong marks a payload beyond MaxPayload, or beyond MaxCalldata
// where calldata was asked for.
var ErrPayloadTooLong = errors.New("payload too long for one batch")

// blobCount returns how many blobs a payload of n bytes takes.
func blobCount(n int) int { return (n + lengthBytes + blobBytes - 1) / blobBytes }

// packBlobs lays out the payload's length and the payload over as few blobs as
// it takes. The rest of the last blob is zero.
func packBlobs(payload []byte) ([]kzg4844.Blob, error) {
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrPayloadTooLong, len(payload), MaxPayload)
	}
	stream := binary.BigEndian.AppendUint32(make([]byte, 0, lengthBytes+len(payload)), uint32(len(payload)))
	stream = append(stream, payload...)
	blobs := make([]kzg4844.Blob, blobCount(len(payload)))
	for i := 0; len(stream) > 0; i++ {
		element := i % params.BlobTxFieldElementsPerBlob * params.BlobTxBytesPerFieldElement
		blob := &blobs[i/params.BlobTxFieldElementsPerBlob]
		n := copy(blob[element+1:element+params.BlobTxBytesPerFieldElement], stream)
		stream = stream[n:]
	}
	return blobs, nil
}

// unpackBlobs is the inverse of packBlobs. It accepts nothing that packBlobs
// does not produce, so that a payload has one encoding.
func unpackBlobs(blobs []*kzg4844.Blob) ([]byte, error) {
	stream := make([]byte, 0, len(blobs)*blobBytes)
	for _, blob := range blobs {
		for at := 0; at < len(blob); at += params.BlobTxBytesPerFieldElement {
			if blob[at] != 0 {
				return nil, fmt.Errorf("byte %d of a blob is %#x, not zero", at, blob[at])
			}
			stream = append(stream, blob[at+1:at+params.BlobTxBytesPerFieldElement]...)
		}
	}
	if len(stream) < lengthBytes {
		return nil, errors.New("no blobs")
	}
	length := int(binary.BigEndian.Uint32(stream))
	stream = stream[lengthBytes:]
	if length > len(stream) || blobCount(length) != len(blobs) {
		return nil, fmt.Errorf("length %d does not match %d blobs", length, len(blobs))
	}
	for i, b := range stream[length:] {
		if b != 0 {
			return nil, fmt.Errorf("padding byte %d is %#x, not zero", i, b)
		}
	}
	return stream[:length:length], nil
}
