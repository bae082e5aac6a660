package predict

import (
	"sync"
	"sync/atomic"
)

const (
	cacheSize  = 4096 // functions
	budgetSize = 1024 // codes
	// stepsPerByte bounds what is spent on the functions of a code: analysing a
	// contract must cost less than deploying it.
	stepsPerByte = 16
	fewSteps     = 1024
)

// entry is what is known of one function of a code.
type entry struct {
	current atomic.Pointer[template] // nil while nothing is

	// What follows belongs to Observe.
	mu      sync.Mutex
	static  *template // nil if the code defies analysis, or was no good
	learner *learner
	health  health
}

// template returns what is known of a call, if anything.
func (p *Predictor) template(to *Target, data []byte) *template {
	if p.sources&(Static|Learned) == 0 || to == nil || len(to.Code) == 0 {
		return nil
	}
	key := keyOf(to.CodeHash, data)
	hash := key.hash(&p.seeds)
	e := p.entries.find(hash, &key)
	if e == nil {
		if p.sources&Static == 0 {
			return nil
		}
		e = p.enter(hash, &key, to)
	}
	return e.current.Load()
}

// enter returns the entry of a function. A new one is analysed first; meanwhile
// others find nothing known in it.
func (p *Predictor) enter(hash uint64, key *cacheKey, to *Target) *entry {
	e, added := p.entries.add(hash, key)
	if !added || p.sources&Static == 0 {
		return e
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if found, ok := p.analyse(key, to.Code); ok {
		e.static = newTemplate(&p.seeds, Static, hash, found)
		e.current.Store(e.static)
	}
	return e
}

// analyse runs the analysis if its code has not used up its budget.
func (p *Predictor) analyse(key *cacheKey, code []byte) ([]location, bool) {
	whole := cacheKey{code: key.code}
	used, _ := p.spent.add(whole.hash(&p.seeds), &whole)
	budget := int64(stepsPerByte*len(code) + fewSteps)
	left := budget - used.Load()
	if left <= 0 {
		return nil, false
	}
	found, steps, ok := analyse(code, *key, int(left))
	used.Add(int64(steps))
	return found, ok
}
