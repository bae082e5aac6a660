package predict

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
)

const cacheWays = 4

// callForm is how much call data there is, as far as a dispatcher cares.
type callForm uint8

const (
	noData    callForm = iota
	shortData          // less than a selector
	selected
)

// formOf returns the form of a call and the selector, if it has one.
func formOf(data []byte) (callForm, uint32) {
	switch {
	case len(data) >= selectorSize:
		return selected, binary.BigEndian.Uint32(data)
	case len(data) > 0:
		return shortData, 0
	default:
		return noData, 0
	}
}

// function hashes what tells calls of one function of a code from all others.
func (s *seeds) function(code *common.Hash, data []byte) uint64 {
	form, selector := formOf(data)
	return mix(binary.LittleEndian.Uint64(code[:8])^s[1], (uint64(selector)<<2|uint64(form))^s[2])
}

// cache holds a bounded number of values under the hashes of their keys, which
// are as good as the keys: the worst that can come of equal ones is a wrong hint.
// It takes no locks. A full set gives up the first value that was not asked for
// since the set was full last.
type cache[V any] struct {
	sets [][cacheWays]atomic.Pointer[cached[V]]
}

type cached[V any] struct {
	hash  uint64
	used  atomic.Bool
	value V
}

// newCache returns a cache of size values, a power of two.
func newCache[V any](size int) *cache[V] {
	return &cache[V]{sets: make([][cacheWays]atomic.Pointer[cached[V]], size/cacheWays)}
}

func (c *cache[V]) set(hash uint64) *[cacheWays]atomic.Pointer[cached[V]] {
	return &c.sets[hash&uint64(len(c.sets)-1)]
}

// find returns the value of the key with a hash, or nil.
func (c *cache[V]) find(hash uint64) *V {
	set := c.set(hash)
	for i := range set {
		e := set[i].Load()
		if e == nil || e.hash != hash {
			continue
		}
		if !e.used.Load() {
			e.used.Store(true)
		}
		return &e.value
	}
	return nil
}

// add returns the value of a key, and whether this call has put it there.
func (c *cache[V]) add(hash uint64) (v *V, added bool) {
	fresh := &cached[V]{hash: hash}
	set := c.set(hash)
	for {
		if v := c.find(hash); v != nil {
			return v, false
		}
		way := victim(set, hash)
		if way.CompareAndSwap(way.Load(), fresh) {
			return &fresh.value, true
		}
	}
}

func victim[V any](set *[cacheWays]atomic.Pointer[cached[V]], hash uint64) *atomic.Pointer[cached[V]] {
	for i := range set {
		if set[i].Load() == nil {
			return &set[i]
		}
	}
	start := int(hash >> 60)
	for i := range cacheWays {
		way := &set[(start+i)%cacheWays]
		if e := way.Load(); e == nil || !e.used.Swap(false) {
			return way
		}
	}
	return &set[start%cacheWays]
}
