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
	hash := p.seeds.function(&to.CodeHash, data)
	e := p.entries.find(hash)
	if e == nil {
		if p.sources&Static == 0 {
			return nil
		}
		e = p.enter(hash, to, data)
	}
	return e.current.Load()
}

// enter returns the entry of a function. A new one is analysed first; meanwhile
// others find nothing known in it.
func (p *Predictor) enter(hash uint64, to *Target, data []byte) *entry {
	e, added := p.entries.add(hash)
	if !added || p.sources&Static == 0 {
		return e
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if found, ok := p.analyse(to, data); ok {
		if t := newTemplate(&p.seeds, Static, hash, found); len(t.locations) == len(found) {
			e.static = t
			e.current.Store(t)
		}
	}
	return e
}

// analyse runs the analysis if its code has not used up its budget.
func (p *Predictor) analyse(to *Target, data []byte) ([]location, bool) {
	used, _ := p.spent.add(p.seeds.function(&to.CodeHash, nil))
	left := int64(stepsPerByte*len(to.Code)+fewSteps) - used.Load()
	if left <= 0 {
		return nil, false
	}
	found, steps, ok := analyse(to.Code, data, int(left))
	used.Add(int64(steps))
	return found, ok
}
