package batchcodec

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

func compress(codec Codec, raw []byte) ([]byte, error) {
	switch codec {
	case None:
		return raw, nil
	case Zlib:
		var out bytes.Buffer
		w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(raw); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	case Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
			zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, err
		}
		out := w.EncodeAll(raw, nil)
		return out, w.Close()
	default:
		return nil, errCodec
	}
}

// decompress gives exactly size bytes or an error. It never holds more than that
// and the decompressor's window.
func decompress(codec Codec, body []byte, size int) ([]byte, error) {
	switch codec {
	case None:
		if len(body) != size {
			return nil, errCompress
		}
		return body, nil
	case Zlib:
		r, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCompress, err)
		}
		defer r.Close()
		return readExactly(r, size)
	case Zstd:
		// Frames may claim any window; the decoder must not believe them.
		r, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCompress, err)
		}
		defer r.Close()
		return readExactly(r, size)
	default:
		return nil, errCodec
	}
}

// maxWindow is at least the size of any version 1 batch before compression.
const maxWindow = 16 << 20

func readExactly(r io.Reader, size int) ([]byte, error) {
	// Grown as it is filled: a claim of 16 MiB costs nothing until it is kept.
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(r, int64(size)+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCompress, err)
	}
	if n != int64(size) {
		return nil, errCompress
	}
	return out.Bytes(), nil
}
