package predict

import "github.com/ethereum/go-ethereum/common"

// template is what is predicted for calls of one function of a code. It does not
// change once it is published.
type template struct {
	source    Sources
	locations []location
	groups    []group
	id        uint64 // for the keys of groups
}

// newTemplate completes locations that were found: constants get their hashes.
func newTemplate(s *seeds, source Sources, id uint64, locations []location) *template {
	for i := range locations {
		l := &locations[i]
		l.address.seal(s)
		l.slot.root.seal(s)
		for k := range l.slot.depth {
			l.slot.keys[k].seal(s)
		}
	}
	return &template{source: source, id: id, locations: locations}
}

func (o *operand) seal(s *seeds) {
	if o.kind == constant {
		o.hash = s.hash(&o.value)
	}
}

// appendKeys appends the keys of a call.
func (t *template) appendKeys(s *seeds, dst []Key, c *call) []Key {
	start := len(dst)
	for i := range t.locations {
		dst = addKey(dst, start, c.key(s, &t.locations[i]))
	}
	if len(t.groups) > 0 {
		f := c.features(s)
		for _, g := range t.groups {
			dst = addKey(dst, start, Key{g.key(t.id, &f), true})
		}
	}
	return dst
}

// appendSlots appends the slots of a call, as far as they are known.
func (t *template) appendSlots(h *hasher, dst []Access, c *call) []Access {
	start := len(dst)
	for i := range t.locations {
		dst = addAccess(dst, start, c.access(h, &t.locations[i]))
	}
	return dst
}

const nFeatures = 3 + maxArguments + maxArguments - 1

// features are what a location may be determined by, each as a hash: callee,
// caller, value, the argument words, and each two neighbouring ones without
// their order, since a path of tokens leads both ways through the same pool.
type features [nFeatures]uint32

func (c *call) features(s *seeds) (f features) {
	f[0] = uint32(s.address(c.callee))
	f[1] = uint32(s.address(&c.tx.From))
	value := c.value()
	f[2] = uint32(s.hash(&value))
	arguments := f[3 : 3+maxArguments]
	for i := range arguments {
		var w common.Hash
		c.argument(uint8(i), wordSize, &w)
		arguments[i] = uint32(s.hash(&w))
	}
	for i := range maxArguments - 1 {
		f[3+maxArguments+i] = arguments[i] + arguments[i+1]
	}
	return f
}

// group stands for locations that nothing is known of but which features
// determine them. Calls with equal ones touch the same locations.
type group struct {
	features uint32 // bit set
}

// key names the locations of a group for a call.
func (g group) key(id uint64, f *features) uint64 {
	h := mix(id, uint64(g.features)|1<<63)
	for i := range f {
		if g.features&(1<<i) != 0 {
			h = mix(h^0xa0761d6478bd642f, uint64(f[i])+0xe7037ed1a0b428db)
		}
	}
	return h
}

// agreed returns the features that are equal in both.
func (f *features) agreed(g *features) (same uint32) {
	for i := range f {
		if f[i] == g[i] {
			same |= 1 << i
		}
	}
	return same
}
