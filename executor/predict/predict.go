package predict

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// Key names a location for scheduling. Keys that name the same location are
// equal, as long as one template or access list names it in the same way as the
// other; computing one takes no keccak.
type Key struct {
	Hash  uint64
	Write bool
}

// Access is an exact storage slot.
type Access struct {
	Address common.Address
	Slot    common.Hash
	Write   bool
}

// Target is the contract that a transaction calls. The code is what runs: for an
// account that delegates (EIP-7702) it is better that of its delegate.
type Target struct {
	Address  common.Address
	CodeHash common.Hash
	Code     []byte
}

// Predictor predicts which storage slots transactions touch. Its methods are safe
// for concurrent use.
type Predictor struct {
	sources Sources
	seeds   seeds
	counts  counters
	entries *cache[entry]
	spent   *cache[atomic.Int64] // steps of analysis, by code
	bases   atomic.Pointer[[]common.Hash]
	hashers sync.Pool
}

// New returns a predictor that knows nothing yet, or nil if there are no sources.
func New(sources Sources) *Predictor {
	if sources&AllSources == 0 {
		return nil
	}
	p := &Predictor{
		sources: sources & AllSources,
		seeds:   newSeeds(),
		entries: newCache[entry](cacheSize),
		spent:   newCache[atomic.Int64](budgetSize),
	}
	p.bases.Store(firstBases())
	p.hashers.New = func() any { return newHasher() }
	return p
}

// Keys appends the locations that tx is expected to touch, each once. to is nil
// if tx creates a contract. ok is false when nothing certain is known: then dst
// is returned as it was; to be sure that nothing is touched is something, too. It
// allocates nothing but room in dst, and what the first call of a function leaves
// behind: that one analyses the code.
//
// What an access list declares counts as written if that is all that is known.
func (p *Predictor) Keys(dst []Key, tx *motet.Tx, to *Target) (keys []Key, ok bool) {
	data := tx.Data()
	t, list := p.template(to, data), p.declared(tx)
	start := len(dst)
	if t != nil {
		c := newCall(tx, to, data)
		dst = t.appendKeys(&p.seeds, dst, &c)
		p.counts.predicted(tx, t.source)
	}
	if list != nil {
		declaredSlots(list, func(address *common.Address, slot *common.Hash) {
			hash := p.seeds.located(p.seeds.address(address), p.seeds.hash(slot))
			dst = addKey(dst, start, Key{hash, t == nil})
		})
		p.counts.predicted(tx, AccessList)
	}
	return dst, t != nil || list != nil
}

// Slots is Keys with exact slots, for prefetching; it costs a keccak for each
// mapping. Slots that are known by their keys alone are not among them.
func (p *Predictor) Slots(dst []Access, tx *motet.Tx, to *Target) ([]Access, bool) {
	data := tx.Data()
	t, list := p.template(to, data), p.declared(tx)
	start := len(dst)
	if t != nil {
		c, h := newCall(tx, to, data), p.hashers.Get().(*hasher)
		dst = t.appendSlots(h, dst, &c)
		p.hashers.Put(h)
	}
	declaredSlots(list, func(address *common.Address, slot *common.Hash) {
		dst = addAccess(dst, start, Access{*address, *slot, t == nil})
	})
	return dst, t != nil || list != nil
}

// declared returns the access list of tx if it is a source and names slots.
func (p *Predictor) declared(tx *motet.Tx) types.AccessList {
	if p.sources&AccessList == 0 {
		return nil
	}
	list := tx.AccessList()
	if len(list) == 0 || list.StorageKeys() == 0 {
		return nil
	}
	return list
}

// declaredSlots calls visit with the first slots of a list.
func declaredSlots(list types.AccessList, visit func(*common.Address, *common.Hash)) {
	n := 0
	for i := range list {
		for k := range list[i].StorageKeys {
			if n++; n > maxLocations {
				return
			}
			visit(&list[i].Address, &list[i].StorageKeys[k])
		}
	}
}

// addKey appends k unless it is in dst[start:], which then has the write of both.
func addKey(dst []Key, start int, k Key) []Key {
	for i := start; i < len(dst); i++ {
		if dst[i].Hash == k.Hash {
			dst[i].Write = dst[i].Write || k.Write
			return dst
		}
	}
	return append(dst, k)
}

// addAccess is addKey for slots.
func addAccess(dst []Access, start int, a Access) []Access {
	i := slices.IndexFunc(dst[start:], func(b Access) bool { return a.Slot == b.Slot && a.Address == b.Address })
	if i >= 0 {
		dst[start+i].Write = dst[start+i].Write || a.Write
		return dst
	}
	return append(dst, a)
}
