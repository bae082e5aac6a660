package predict

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
)

// MaxObserved bounds what a transaction may touch and still be learned from.
const MaxObserved = 256

// Observe learns from what a committed transaction really touched, and scores
// what was predicted for it. It is meant for a sample of the transactions.
func (p *Predictor) Observe(tx *motet.Tx, to *Target, touched []Access) {
	if len(touched) > MaxObserved {
		return
	}
	o := observation{predictor: p, touched: distinct(touched)}
	if list := p.declared(tx); list != nil {
		var declared []Access
		declaredSlots(list, func(address *common.Address, slot *common.Hash) {
			declared = addAccess(declared, 0, Access{*address, *slot, false})
		})
		p.counts.scored(AccessList, o.score(declared))
	}
	if p.sources&(Static|Learned) == 0 || to == nil || len(to.Code) == 0 {
		return
	}
	data := tx.Data()
	hash := p.seeds.function(&to.CodeHash, data)
	e := p.entries.find(hash)
	if e == nil {
		e = p.enter(hash, to, data)
	}
	h := p.hashers.Get().(*hasher)
	defer p.hashers.Put(h)
	o.call, o.hasher = newCall(tx, to, data), h
	o.features = o.call.features(&p.seeds, allFeatures)
	e.observe(&o, hash)
}

// observation is a committed transaction with what it touched.
type observation struct {
	predictor *Predictor
	call      call
	hasher    *hasher
	features  features
	touched   []touch
}

// touch is a slot that a transaction touched.
type touch struct {
	Access

	predicted bool
	explained bool
}

// distinct returns each slot once.
func distinct(touched []Access) []touch {
	out := make([]touch, 0, len(touched))
	for _, a := range touched {
		if t := find(out, &a); t != nil {
			t.Write = t.Write || a.Write
		} else {
			out = append(out, touch{Access: a})
		}
	}
	return out
}

func find(touched []touch, a *Access) *touch {
	for i := range touched {
		if t := &touched[i]; t.Slot == a.Slot && t.Address == a.Address {
			return t
		}
	}
	return nil
}

// score compares what was predicted with what was touched.
func (o *observation) score(predicted []Access) (s score) {
	for i := range o.touched {
		o.touched[i].predicted = false
	}
	for i := range predicted {
		if t := find(o.touched, &predicted[i]); t != nil {
			t.predicted = true
			s.hits++
		} else {
			s.wasted++
		}
	}
	for i := range o.touched {
		if t := &o.touched[i]; t.Write && !t.predicted {
			s.misses++
		}
	}
	return s
}

// observe scores the template in use and learns for the next one.
func (e *entry) observe(o *observation, id uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.health.resting() {
		if !e.health.rested() {
			return
		}
		e.current.Store(e.static)
	}
	if t := e.current.Load(); t != nil {
		s := o.score(t.appendSlots(o.hasher, nil, &o.call))
		if e.learner != nil {
			e.learner.scoreGroups(o, t, &s)
		}
		o.predictor.counts.scored(t.source, s)
		if !e.health.add(s) {
			e.switchOff(o.predictor.sources)
			return
		}
	}
	if o.predictor.sources&Learned == 0 || e.static != nil {
		return
	}
	if e.learner == nil {
		e.learner = &learner{}
	}
	e.learner.learn(o)
	if t := e.learner.template(o.predictor, id, e.current.Load()); t != e.current.Load() {
		e.current.Store(t)
	}
}

// switchOff stops predicting by a template that is no good. If what was found by
// analysis is not, learning takes its place; else it is tried again later.
func (e *entry) switchOff(sources Sources) {
	e.current.Store(nil)
	if e.static != nil && sources&Learned != 0 {
		e.static, e.health = nil, health{}
		return
	}
	e.learner = nil
	e.health.rest()
}

const (
	judgedFrom = 24   // locations before a template is judged
	forgetAt   = 256  // locations after which the past counts for half
	minUse     = 0.6  // share of the predicted locations that must be touched
	minRecall  = 0.25 // share of the written locations that must be predicted
	restMin    = 64   // observations until a template is tried again
	restMax    = 4096
)

// health tells whether a template pays.
type health struct {
	sum   score
	pause int // observations left
	next  int // length of the next pause
}

// add reports whether the template is still good.
func (h *health) add(s score) bool {
	h.sum.hits += s.hits
	h.sum.misses += s.misses
	h.sum.wasted += s.wasted
	n := h.sum.hits + h.sum.misses + h.sum.wasted
	if n < judgedFrom {
		return true
	}
	hits := float64(h.sum.hits)
	good := hits >= minUse*(hits+float64(h.sum.wasted)) && hits >= minRecall*(hits+float64(h.sum.misses))
	if n > forgetAt {
		h.sum = score{h.sum.hits / 2, h.sum.misses / 2, h.sum.wasted / 2}
	}
	return good
}

func (h *health) resting() bool { return h.pause > 0 }

// rested counts an observation and reports whether the pause is over.
func (h *health) rested() bool {
	h.pause--
	return h.pause == 0
}

func (h *health) rest() {
	h.next = min(max(restMin, 2*h.next), restMax)
	h.pause, h.sum = h.next, score{}
}
