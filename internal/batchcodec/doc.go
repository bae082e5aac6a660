// Package batchcodec is the wire format of batches: ranges of the block sequence
// as they lie on L1. It is pure: bytes in, values out.
//
// A batch holds what cannot be derived: for each block its timestamp, the number
// of its L1 origin and how many queued transactions and deposits entered it; and
// the transactions that the sequencer chose. Gas limit, base fee, coinbase, the
// origin's hash and the senders follow by rule.
//
// Version 1, integers big-endian:
//
//	magic "MOTB" | version u8 | codec u8 | flags u8 | chain id u64 | batch index u64 |
//	first block u64 | first transaction u32 | block count u32 | raw length u32 |
//	signature length u32 | body length u32 | CRC-32C u32 | signatures | body | zeros
//
// Flag bit 0 says that the last block ends with the batch; the first block
// starts in the middle if the first transaction is not 0. The checksum covers
// all but itself and the zeros, which fill a blob up. Signatures do not compress
// and stay outside the compressor: r and s of each transaction, then a bit each
// for the parity of y. The body is a list of columns, each with its length as a
// uvarint, compressed as a whole. Like stands beside like: all nonces, all fees,
// all recipients; call data is taken apart into words, so that addresses and
// amounts do not carry their zeros.
//
// A transaction that the columns cannot give back byte for byte travels whole.
//
// Decoding is bounded: no input makes it allocate more than a small multiple of
// its Limits.
package batchcodec
