package predict

import (
	"cmp"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

const (
	confirmations = 3 // sightings before a location is predicted
	maxCandidates = 48
	youth         = 8  // observations in which a candidate is believed
	patience      = 16 // observations after which a rare one is forgotten
)

// learner finds out what calls of one function of a code touch.
type learner struct {
	observed   uint32
	candidates []candidate
	cursor     int    // of the search for explanations
	nextSweep  uint32 // observation at which the search may begin anew
	sightings  []sighting
}

// candidate is a location that explains what was touched.
type candidate struct {
	location

	born, seen, written uint32

	// shared are the arguments that all calls that touched it had in common. As
	// long as there are any, a contract that is not the one called may be theirs:
	// that many calls in a row trade on one pool does not mean that all do.
	of     features
	shared uint32
}

func (c *candidate) age(now uint32) uint32 { return now - c.born + 1 }

// usual reports whether at least half of the calls since it was found touch it.
func (c *candidate) usual(now uint32) bool { return 2*c.seen >= c.age(now) }

func (c *candidate) confirmed(now uint32) bool {
	return c.seen >= confirmations && c.usual(now) && (c.address.kind != constant || c.shared == 0)
}

// learn takes in an observation.
func (l *learner) learn(o *observation) {
	l.observed++
	l.recognise(o)
	l.explainPlain(o)
	l.search(o)
	l.sight(o)
}

// recognise looks for the locations of the candidates.
func (l *learner) recognise(o *observation) {
	now := l.observed
	for i := range l.candidates {
		c := &l.candidates[i]
		a := o.call.access(o.hasher, &c.location)
		t := find(o.touched, &a)
		if t == nil {
			continue
		}
		c.seen++
		c.shared &= c.of.agreed(&o.features)
		if t.Write {
			c.written++
		}
		if c.age(now) < youth || c.confirmed(now) {
			t.explained = true
		}
	}
	l.candidates = slices.DeleteFunc(l.candidates, func(c candidate) bool {
		return c.age(now) > patience && 8*c.seen < c.age(now)
	})
}

// explainPlain takes the variables of contracts that the call names for what
// they are: slots with small numbers.
func (l *learner) explainPlain(o *observation) {
	for i := range o.touched {
		t := &o.touched[i]
		if t.explained || [wordSize - 2]byte(t.Slot[:wordSize-2]) != [wordSize - 2]byte{} {
			continue
		}
		if address, named := o.call.addressed(&t.Address); named {
			l.suppose(o, t, location{address: address, slot: slotPath{root: operand{kind: constant, value: t.Slot}}})
		}
	}
}

// suppose adds a candidate for what t touched.
func (l *learner) suppose(o *observation, t *touch, at location) {
	t.explained = true
	if slices.ContainsFunc(l.candidates, func(c candidate) bool { return c.location == at }) {
		return
	}
	arguments := uint32(1)<<o.call.arguments() - 1
	c := candidate{location: at, born: l.observed, seen: 1, of: o.features, shared: arguments << firstArgument}
	if t.Write {
		c.written = 1
	}
	if len(l.candidates) < maxCandidates {
		l.candidates = append(l.candidates, c)
		return
	}
	now := l.observed
	worst := slices.MinFunc(l.candidates, func(a, b candidate) int {
		return cmp.Compare(a.seen*b.age(now), b.seen*a.age(now))
	})
	if worst.age(now) >= youth && !worst.usual(now) {
		l.candidates[slices.Index(l.candidates, worst)] = c
	}
}

// addressed returns an address as the word of the call that holds it. named is
// false if none does; then it is a constant.
func (c *call) addressed(address *common.Address) (o operand, named bool) {
	if *address == *c.callee {
		return operand{kind: callee, width: wordSize}, true
	}
	if *address == c.tx.From {
		return operand{kind: caller, width: wordSize}, true
	}
	w := common.BytesToHash(address[:])
	for i := range c.arguments() {
		o = operand{kind: argument, index: uint8(i), width: wordSize}
		if c.word(&o) == w {
			return o, true
		}
	}
	return operand{kind: constant, value: w}, false
}

// arguments returns how many words of arguments there are to look at.
func (c *call) arguments() int { return min(maxArguments, (len(c.data)+wordSize-1)/wordSize) }

// template returns the template of what is confirmed by now: last, if that is
// still it, and nil for nothing.
func (l *learner) template(p *Predictor, id uint64, last *template) *template {
	var confirmed []candidate
	for _, c := range l.candidates {
		if c.confirmed(l.observed) {
			confirmed = append(confirmed, c)
		}
	}
	slices.SortStableFunc(confirmed, func(a, b candidate) int { return cmp.Compare(b.seen, a.seen) })
	var locations []location
	for _, c := range confirmed[:min(len(confirmed), maxLocations)] {
		c.write = 4*c.written >= c.seen
		locations = append(locations, c.location)
	}
	groups := l.groups()
	if len(locations)+len(groups) == 0 {
		return nil
	}
	t := newTemplate(&p.seeds, Learned, id, locations)
	t.setGroups(groups)
	if last != nil && slices.Equal(t.groups, last.groups) && sameLocations(t.locations, last.locations) {
		return last
	}
	return t
}

// sameLocations compares without order.
func sameLocations(a, b []location) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(l location) bool { return !slices.Contains(b, l) })
}
