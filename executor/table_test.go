package executor

import (
	"encoding/binary"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// longest returns the most buckets that a look-up of any entry visits, and how many
// entries the fullest shard has.
func (t *table[K, C]) longest() (probe, fullest int) {
	for i := range t.shards {
		buckets := t.shards[i].buckets.Load()
		if buckets == nil {
			continue
		}
		fullest = max(fullest, t.shards[i].count)
		mask := uint64(len(*buckets) - 1)
		for at := range *buckets {
			if e := (*buckets)[at].entry.Load(); e != nil {
				probe = max(probe, int((uint64(at)-e.hash)&mask)+1)
			}
		}
	}
	return probe, fullest
}

// word is i as a number of eight bytes.
func word(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// scattered has the bits of i far apart: two that differ in one bit of i differ in one.
func scattered(i, size int) []byte {
	b := make([]byte, size)
	for k := range 15 {
		at := k * 8 * size / 15
		b[at/8] |= byte(i>>k&1) << (at % 8)
	}
	return b
}

const (
	// groundCount is enough for some 280 entries in each shard, which has 512 buckets then:
	// a hash that sends them to one bucket is far above groundProbe, and chance far below,
	// at 30 to 50. What a shard holds by chance is below 380.
	groundCount = 18_000
	groundProbe = 140
	groundShard = 2 * groundCount / tableShards
)

// TestGroundKeysSpread: addresses and slots that look alike are found within a few steps,
// whatever part of them it is that differs.
func TestGroundKeysSpread(t *testing.T) {
	for name, address := range map[string]func(i int) []byte{
		"a long prefix is shared":      func(i int) []byte { return append(make([]byte, 12), word(i)...) },
		"a long suffix is shared":      func(i int) []byte { return append(word(i), make([]byte, 12)...) },
		"all but the middle is shared": func(i int) []byte { return append(append(make([]byte, 6), word(i)...), make([]byte, 6)...) },
		"one bit differs":              func(i int) []byte { return scattered(i, common.AddressLength) },
	} {
		m := newMemory()
		for i := range groundCount {
			addr := common.Address(address(i))
			m.accounts.intern(m.seeds.address(&addr), &addr)
		}
		if n, shard := m.accounts.longest(); n > groundProbe || shard > groundShard || m.accounts.size() != groundCount {
			t.Errorf("addresses, %s: %d buckets visited for one of %d, of which %d are in one shard", name, n, m.accounts.size(), shard)
		}
	}
	at := func(from int) func(int) []byte { // the number i, times a power of 2^64
		return func(i int) []byte {
			b := make([]byte, common.HashLength)
			copy(b[from:], word(i))
			return b
		}
	}
	for name, key := range map[string]func(i int) []byte{
		"one after the other": at(24),
		"multiples of 2^64":   at(16),
		"multiples of 2^128":  at(8),
		"multiples of 2^192":  at(0),
		"multiples of 2^32":   at(20),
		"one bit differs":     func(i int) []byte { return scattered(i, common.HashLength) },
		"one in each account": func(int) []byte { return make([]byte, common.HashLength) },
	} {
		m := newMemory()
		for i := range groundCount {
			addr, key := common.Address{0xaa}, common.Hash(key(i))
			if name == "one in each account" {
				copy(addr[12:], word(i))
			}
			account := m.accounts.intern(m.seeds.address(&addr), &addr)
			m.slots.intern(m.seeds.slot(account.hash, &key), &slotKey{account, key})
		}
		if n, shard := m.slots.longest(); n > groundProbe || shard > groundShard || m.slots.size() != groundCount {
			t.Errorf("slots, %s: %d buckets visited for one of %d, of which %d are in one shard", name, n, m.slots.size(), shard)
		}
	}
}

// TestGrindingDoesNotCarryOver: addresses and slots that collide in one memory, found by
// somebody who knows its seeds, do not in another.
func TestGrindingDoesNotCarryOver(t *testing.T) {
	const n = 64
	known, other := newMemory(), newMemory()
	for i := range known.seeds {
		if known.seeds[i] == other.seeds[i] {
			t.Errorf("seed %d is the same for both", i)
		}
	}
	// One shard, and one bucket even when there are twice as many.
	collides := func(hash uint64) bool { return hash>>58 == 0 && hash&(2*tableSmall-1) == 0 }
	var probes [2][2]int // of addresses and slots, by memory
	var addrs []common.Address
	var keys []common.Hash
	owner := common.Address{0xaa}
	for i := 0; len(addrs) < n; i++ {
		addr := common.Address(append(make([]byte, 12), word(i)...))
		if collides(known.seeds.address(&addr)) {
			addrs = append(addrs, addr)
		}
	}
	for i := 0; len(keys) < n; i++ {
		key := common.Hash(append(make([]byte, 24), word(i)...))
		if collides(known.seeds.slot(known.seeds.address(&owner), &key)) {
			keys = append(keys, key)
		}
	}
	for i, m := range []*memory{known, other} {
		for k := range n {
			m.accounts.intern(m.seeds.address(&addrs[k]), &addrs[k])
		}
		probes[0][i], _ = m.accounts.longest()
		account := m.accounts.intern(m.seeds.address(&owner), &owner)
		for k := range n {
			m.slots.intern(m.seeds.slot(account.hash, &keys[k]), &slotKey{account, keys[k]})
		}
		probes[1][i], _ = m.slots.longest()
	}
	for i, what := range []string{"addresses", "slots"} {
		if probes[i][0] < n {
			t.Errorf("%s: those ground do not collide: %d buckets visited", what, probes[i][0])
		}
		if probes[i][1] > n/4 {
			t.Errorf("%s: %d of %d buckets visited in another memory", what, probes[i][1], n)
		}
	}
}
