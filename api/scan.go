package api

import "bytes"

// shape is what can be said of a JSON-RPC body without decoding it.
type shape struct {
	batch bool
	// items is the number of elements of a batch, one more than maxBatch if
	// there are more than that.
	items int
	// deep: brackets nest deeper than maxDepth.
	deep bool
}

// scan looks at the brackets of body. geth's server decodes every element of a
// batch before it counts them; counting first, and stopping at the first that
// is too many, makes an oversized batch cost nothing. The body need not be
// valid: what is not JSON is told from what is by the decoder later on.
func scan(body []byte) shape {
	var s shape
	depth, pending := 0, false
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case ' ', '\t', '\n', '\r', ':':
		case '"':
			if i = closingQuote(body, i+1); i < 0 {
				return s.finish(pending)
			}
			pending = true
		case '[', '{':
			if depth == 0 && body[i] == '[' && !s.batch && !pending {
				s.batch = true
			} else {
				pending = true
			}
			if depth++; depth > maxDepth {
				s.deep = true
				return s
			}
		case ']', '}':
			depth--
		case ',':
			if depth == 1 && s.batch {
				if s.items++; s.items > maxBatch {
					return s
				}
			}
		default:
			pending = true
		}
	}
	return s.finish(pending)
}

// finish adds the last element of a batch, which no comma follows.
func (s shape) finish(pending bool) shape {
	if s.batch && pending {
		s.items++
	}
	return s
}

// closingQuote returns the index of the quote that ends the string whose
// content begins at start, or -1.
func closingQuote(body []byte, start int) int {
	for i := start; ; i++ {
		n := bytes.IndexByte(body[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for j := i - 1; j >= start && body[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
}
