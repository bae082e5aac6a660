package executor

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
)

// seeds make the hash of a location unpredictable, so that nobody can grind
// addresses or slots into one probe sequence.
type seeds [4]uint64

func newSeeds() seeds {
	return seeds{rand.Uint64() | 1, rand.Uint64() | 1, rand.Uint64() | 1, rand.Uint64() | 1}
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (s *seeds) address(a *common.Address) uint64 {
	x := binary.LittleEndian.Uint64(a[0:8])
	y := binary.LittleEndian.Uint64(a[8:16])
	z := uint64(binary.LittleEndian.Uint32(a[16:20]))
	return mix(mix(x^s[0], y^s[1])^z, s[2])
}

func (s *seeds) slot(account uint64, key *common.Hash) uint64 {
	a := binary.LittleEndian.Uint64(key[0:8])
	b := binary.LittleEndian.Uint64(key[8:16])
	c := binary.LittleEndian.Uint64(key[16:24])
	d := binary.LittleEndian.Uint64(key[24:32])
	return mix(mix(a^s[0], b^s[1])^mix(c^s[2], d^s[3]), account^s[1])
}

const (
	tableShards = 64
	tableChunk  = 64
	tableSmall  = 64 // initial buckets of a shard
)

// entry is a cell in a table, under its key. Entries do not move.
type entry[K comparable, C any] struct {
	key  K
	hash uint64
	cell C
}

// table interns cells: one entry for each key, found without a lock. It only
// grows; reset empties it.
type table[K comparable, C any] struct {
	shards [tableShards]shard[K, C]
}

// bucket refers to an entry beside its hash, so that no look-up visits entries of
// other keys: those lie all over the memory. The hash is written before the entry
// and stands when that is seen.
type bucket[K comparable, C any] struct {
	hash  atomic.Uint64
	entry atomic.Pointer[entry[K, C]]
}

type shard[K comparable, C any] struct {
	buckets atomic.Pointer[[]bucket[K, C]] // length is a power of two

	mu     sync.Mutex
	count  int
	chunks [][]entry[K, C]
}

func (t *table[K, C]) shard(hash uint64) *shard[K, C] { return &t.shards[hash>>58] }

// find returns the entry with the hash, if any, without a look at its key: it is
// for bringing into the cache what a look-up reads.
func (t *table[K, C]) find(hash uint64) *entry[K, C] {
	buckets := t.shard(hash).buckets.Load()
	if buckets == nil {
		return nil
	}
	mask := uint64(len(*buckets) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		b := &(*buckets)[i]
		if e := b.entry.Load(); e == nil || b.hash.Load() == hash {
			return e
		}
	}
}

// intern returns the entry of key and creates it if there is none.
func (t *table[K, C]) intern(hash uint64, key *K) *entry[K, C] {
	s := t.shard(hash)
	if buckets := s.buckets.Load(); buckets != nil {
		if e, _ := probe(*buckets, hash, key); e != nil {
			return e
		}
	}
	return s.insert(hash, key)
}

func probe[K comparable, C any](buckets []bucket[K, C], hash uint64, key *K) (*entry[K, C], uint64) {
	mask := uint64(len(buckets) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		b := &buckets[i]
		e := b.entry.Load()
		if e == nil {
			return nil, i
		}
		if b.hash.Load() == hash && e.key == *key {
			return e, i
		}
	}
}

func (b *bucket[K, C]) set(e *entry[K, C]) {
	b.hash.Store(e.hash)
	b.entry.Store(e)
}

func (s *shard[K, C]) insert(hash uint64, key *K) *entry[K, C] {
	s.mu.Lock()
	defer s.mu.Unlock()
	buckets := s.buckets.Load()
	if buckets == nil || (s.count+1)*4 > len(*buckets)*3 {
		buckets = s.grow(buckets)
	}
	found, at := probe(*buckets, hash, key)
	if found != nil {
		return found
	}
	if s.count/tableChunk == len(s.chunks) {
		s.chunks = append(s.chunks, make([]entry[K, C], tableChunk))
	}
	e := &s.chunks[s.count/tableChunk][s.count%tableChunk]
	*e = entry[K, C]{key: *key, hash: hash}
	s.count++
	(*buckets)[at].set(e)
	return e
}

// grow publishes a larger copy. Whoever still reads the old one may miss what
// is inserted from now on and comes to insert, where it looks again.
func (s *shard[K, C]) grow(old *[]bucket[K, C]) *[]bucket[K, C] {
	size := tableSmall
	if old != nil {
		size = 2 * len(*old)
	}
	buckets := make([]bucket[K, C], size)
	if old != nil {
		for i := range *old {
			if e := (*old)[i].entry.Load(); e != nil {
				_, at := probe(buckets, e.hash, &e.key)
				buckets[at].set(e)
			}
		}
	}
	s.buckets.Store(&buckets)
	return &buckets
}

// size returns the number of entries. It must not run beside intern.
func (t *table[K, C]) size() int {
	n := 0
	for i := range t.shards {
		n += t.shards[i].count
	}
	return n
}

// reset empties the table and keeps its memory. Nobody may use it meanwhile.
func (t *table[K, C]) reset() {
	for i := range t.shards {
		s := &t.shards[i]
		s.count = 0
		if buckets := s.buckets.Load(); buckets != nil {
			clear(*buckets)
		}
	}
}
