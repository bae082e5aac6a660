package executor

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// bloomWorth is how many logs are worth a goroutine, which may take 0.1 ms to start.
const bloomWorth = 500

// SetBlooms fills the blooms of receipts that execution left out, with so many
// goroutines at most. They are no part of a slice's execution, since hashing for them
// takes as long as a plain transfer. The logs are shared out evenly: one transaction may
// have most of them.
func SetBlooms(receipts types.Receipts, hands int) {
	var missing types.Receipts
	logs := 0
	for _, r := range receipts {
		if len(r.Logs) > 0 && r.Bloom == (types.Bloom{}) {
			missing = append(missing, r)
			logs += len(r.Logs)
		}
	}
	type part struct {
		of    *types.Receipt
		bloom types.Bloom
	}
	parts := make([][]part, max(1, hands)) // of blooms that several hands work at
	share(hands, logs, bloomWorth, func(hand, from, to int) {
		hasher := newBloomHasher()
		for _, r := range missing {
			if to <= 0 {
				return
			}
			if n := len(r.Logs); from < n {
				bloom := hasher.bloom(r.Logs[max(0, from):min(n, to)])
				if from <= 0 && to >= n {
					r.Bloom = bloom
				} else {
					parts[hand] = append(parts[hand], part{r, bloom})
				}
			}
			from, to = from-len(r.Logs), to-len(r.Logs)
		}
	})
	for _, some := range parts {
		for _, p := range some {
			for i, b := range p.bloom {
				p.of.Bloom[i] |= b
			}
		}
	}
}

// blooming sets the blooms of receipts while the block goes on: by workers that have
// nothing else to do, which need not be woken then, and by whoever waits for it.
type blooming struct {
	receipts    types.Receipts // in their full number
	ready, next atomic.Int64   // how many are there, and are taken
	workers     sync.WaitGroup
}

// work sets blooms as long as there are receipts whose bloom nobody sets.
func (j *blooming) work(h *bloomHasher) {
	const few = 16 // that one takes at a time
	for {
		from := j.next.Load()
		to := min(from+few, j.ready.Load())
		if from >= to {
			return
		}
		if !j.next.CompareAndSwap(from, to) {
			continue
		}
		for _, r := range j.receipts[from:to] {
			if len(r.Logs) > 0 {
				r.Bloom = h.bloom(r.Logs)
			}
		}
	}
}

// bloomHasher makes blooms as types.CreateBloom does, and remembers what it hashed
// last: the logs of a block have few addresses and events.
type bloomHasher struct {
	keccak crypto.KeccakState
	recent [256]bloomEntry
}

// bloomEntry holds which bits an address or a topic sets.
type bloomEntry struct {
	data common.Hash // of an address, the last 20 bytes
	size int
	bits [3]uint16
}

func newBloomHasher() *bloomHasher { return &bloomHasher{keccak: crypto.NewKeccakState()} }

func (h *bloomHasher) bloom(logs []*types.Log) (b types.Bloom) {
	for _, log := range logs {
		h.add(&b, log.Address[:])
		for i := range log.Topics {
			h.add(&b, log.Topics[i][:])
		}
	}
	return b
}

// add sets the three bits of data: each is given by eleven of the first bits of its hash
// (yellow paper, section 4.4.1).
func (h *bloomHasher) add(b *types.Bloom, data []byte) {
	ends := binary.LittleEndian.Uint64(data) ^ binary.LittleEndian.Uint64(data[len(data)-8:])
	e := &h.recent[ends*0x9e3779b97f4a7c15>>56]
	if e.size != len(data) || string(e.data[len(e.data)-len(data):]) != string(data) {
		e.size = len(data)
		copy(e.data[len(e.data)-len(data):], data)
		var hash [6]byte
		h.keccak.Reset()
		h.keccak.Write(data)
		h.keccak.Read(hash[:]) //nolint:errcheck // never fails
		for i := range e.bits {
			e.bits[i] = binary.BigEndian.Uint16(hash[2*i:]) % types.BloomBitLength
		}
	}
	for _, bit := range e.bits {
		b[types.BloomByteLength-1-bit/8] |= 1 << (bit % 8)
	}
}
