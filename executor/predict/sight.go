package predict

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

const (
	maxSightings = 64 // locations that are watched for one function
	newSightings = 2  // of one transaction: those that go together have the same features
	maxGroups    = 4
)

// sighting is a written location that nothing explains, with the features that
// all calls that touched it had in common.
type sighting struct {
	address common.Address
	slot    common.Hash
	hash    uint64

	last   uint64 // of the hash of the transaction that touched it last
	shared uint32 // features
	of     features
	born   uint32
	seen   uint32
	newest uint32 // observation
	// hits are calls with the shared features that touched it, since those are
	// what they are; false alarms did not.
	hits, falseAlarms uint32
}

func (s *sighting) expects(o *observation) bool {
	return s.shared != 0 && s.of.agreed(&o.features)&s.shared == s.shared
}

// constant reports whether nearly all calls touch the location, whatever they
// are.
func (s *sighting) constant(now uint32) bool {
	return s.seen > confirmations && 10*s.seen >= 9*(now-s.born+1)
}

// sight watches what nothing explains.
func (l *learner) sight(o *observation) {
	hash := o.call.tx.Hash()
	id := binary.LittleEndian.Uint64(hash[:])
	l.sightings = slices.DeleteFunc(l.sightings, func(s sighting) bool {
		return s.falseAlarms > s.hits/2+2
	})
	for i := range l.sightings {
		s := &l.sightings[i]
		switch t := find(o.touched, &Access{Address: s.address, Slot: s.slot}); {
		case t != nil:
			t.explained = true
			s.again(o, id, l.observed)
		case s.seen > 1 && s.expects(o):
			s.falseAlarms++
		}
	}
	l.promote(o)
	l.watch(o, id)
}

// again takes in another call that touched the location.
func (s *sighting) again(o *observation, id uint64, now uint32) {
	s.newest = now
	if id == s.last {
		return
	}
	s.last = id
	s.seen++
	shared := s.shared & s.of.agreed(&o.features)
	if shared != s.shared {
		s.shared, s.hits, s.falseAlarms = shared, 0, 0
		return
	}
	s.hits++
}

// promote makes candidates of locations that nearly all calls touch.
func (l *learner) promote(o *observation) {
	l.sightings = slices.DeleteFunc(l.sightings, func(s sighting) bool {
		if !s.constant(l.observed) {
			return false
		}
		address, _ := o.call.addressed(&s.address)
		if address.kind != callee {
			address = operand{kind: constant, value: common.BytesToHash(s.address[:])}
		}
		l.suppose(o, &touch{Access: Access{Write: true}}, location{address: address, slot: slotPath{root: operand{kind: constant, value: s.slot}}})
		return true
	})
}

// watch begins to watch the first of the locations that are not watched yet, in
// an order that is the same for all calls.
func (l *learner) watch(o *observation, id uint64) {
	seeds := &o.predictor.seeds
	var fresh []sighting
	for _, t := range o.touched {
		if t.explained || !t.Write {
			continue
		}
		fresh = append(fresh, sighting{
			address: t.Address, slot: t.Slot, hash: seeds.located(seeds.address(&t.Address), seeds.hash(&t.Slot)),
			last: id, shared: allFeatures, of: o.features, born: l.observed, seen: 1, newest: l.observed,
		})
	}
	slices.SortFunc(fresh, func(a, b sighting) int { return cmp.Compare(a.hash, b.hash) })
	for _, s := range fresh[:min(len(fresh), newSightings)] {
		if len(l.sightings) < maxSightings {
			l.sightings = append(l.sightings, s)
			continue
		}
		oldest := 0
		for i := range l.sightings {
			if a, b := &l.sightings[i], &l.sightings[oldest]; cmp.Or(cmp.Compare(min(a.hits, 1), min(b.hits, 1)), cmp.Compare(a.newest, b.newest)) < 0 {
				oldest = i
			}
		}
		l.sightings[oldest] = s
	}
}

// groups returns the sets of features that determine locations, the best first.
func (l *learner) groups() (out []group) {
	type vote struct {
		group
		hits, falseAlarms uint32
	}
	var votes []vote
	for i := range l.sightings {
		s := &l.sightings[i]
		if s.shared == 0 || s.hits == 0 {
			continue
		}
		at := slices.IndexFunc(votes, func(v vote) bool { return v.features == s.shared })
		if at < 0 {
			at = len(votes)
			votes = append(votes, vote{group: group{s.shared}})
		}
		votes[at].hits += s.hits
		votes[at].falseAlarms += s.falseAlarms
	}
	slices.SortFunc(votes, func(a, b vote) int {
		return cmp.Or(cmp.Compare(b.hits, a.hits), cmp.Compare(bits.OnesCount32(a.features), bits.OnesCount32(b.features)), cmp.Compare(a.features, b.features))
	})
	for _, v := range votes {
		narrower := slices.ContainsFunc(out, func(g group) bool { return v.features&g.features == g.features })
		if v.hits >= confirmations && 4*v.falseAlarms <= v.hits && !narrower && len(out) < maxGroups {
			out = append(out, v.group)
		}
	}
	return out
}

// scoreGroups scores the groups of a template by the locations that are watched.
// Of the others nothing can be said: they are no misses if there is a group that
// they may belong to.
func (l *learner) scoreGroups(o *observation, t *template, s *score) {
	if len(t.groups) == 0 {
		return
	}
	s.misses = 0
	for i := range l.sightings {
		w := &l.sightings[i]
		touched := find(o.touched, &Access{Address: w.address, Slot: w.slot})
		expected := slices.Contains(t.groups, group{w.shared}) && w.expects(o)
		switch {
		case touched != nil && expected:
			s.hits++
		case touched != nil && !touched.predicted && w.seen > 1:
			s.misses++
		case touched == nil && expected && w.seen > 1:
			s.wasted++
		}
	}
}
