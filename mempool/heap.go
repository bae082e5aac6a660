package mempool

// ordered is an element of a heap.
type ordered[T any] interface {
	before(T) bool
	moved(to int)
}

// heap is a binary heap whose elements know where they are.
type heap[T ordered[T]] []T

func (h heap[T]) set(i int, e T) {
	h[i] = e
	e.moved(i)
}

func (h heap[T]) up(i int) {
	e := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(h[parent]) {
			break
		}
		h.set(i, h[parent])
		i = parent
	}
	h.set(i, e)
}

func (h heap[T]) down(i int) {
	e := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(e) {
			break
		}
		h.set(i, h[child])
		i = child
	}
	h.set(i, e)
}

func (h *heap[T]) push(e T) {
	*h = append(*h, e)
	h.up(len(*h) - 1)
}

// fix restores the order after element i became e.
func (h heap[T]) fix(i int, e T) {
	h[i] = e
	if i > 0 && e.before(h[(i-1)/2]) {
		h.up(i)
	} else {
		h.down(i)
	}
}

func (h *heap[T]) remove(i int) {
	old := *h
	last := len(old) - 1
	old[i].moved(-1)
	e := old[last]
	var zero T
	old[last] = zero
	*h = old[:last]
	if i < last {
		h.fix(i, e)
	}
}

// build orders all elements at once.
func (h heap[T]) build() {
	for i := range h {
		h[i].moved(i)
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

// candidate is an account whose next transaction can run, keyed by that
// transaction.
type candidate struct {
	tip     uint64 // effective
	arrival int64
	acc     *account
}

func (c candidate) before(o candidate) bool {
	if c.tip != o.tip {
		return c.tip > o.tip
	}
	return c.arrival < o.arrival
}

func (c candidate) moved(to int) { c.acc.pos = to }

// price orders transactions by what they are worth to the pool: the effective
// tip of the cheapest transaction that has to run before them or is them, then
// that one's fee cap.
type price struct{ tip, fee uint64 }

func (p price) less(o price) bool {
	if p.tip != o.tip {
		return p.tip < o.tip
	}
	return p.fee < o.fee
}

// victim is a transaction that could make room for a better-paying one. Entries
// grow stale; whoever pops one checks it.
type victim struct {
	price price
	it    *item
}

func (v victim) before(o victim) bool {
	if v.price != o.price {
		return v.price.less(o.price)
	}
	return v.it.arrival > o.it.arrival
}

func (victim) moved(int) {}
