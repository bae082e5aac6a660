package predict

import (
	"errors"
	"flag"
	"fmt"
	"strings"
)

// Sources says what predictions are made from. It is a set and a flag.Value; its
// text is "off" or the names of its sources with commas between them.
type Sources uint8

const (
	// AccessList is what transactions declare (EIP-2930).
	AccessList Sources = 1 << iota
	// Static is the analysis of bytecode.
	Static
	// Learned is what calls of the same code and selector touched before.
	Learned
)

// AllSources is the default.
const AllSources = AccessList | Static | Learned

const (
	nSources = 3
	off      = "off"
)

// sourceName returns the name of the source 1<<i.
func sourceName(i int) string { return [nSources]string{"access-list", "static", "learned"}[i] }

// ParseSources reads the text form of Sources. The error names what is not known.
func ParseSources(text string) (Sources, error) {
	if text == off {
		return 0, nil
	}
	var s Sources
next:
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		for i := range nSources {
			if name == sourceName(i) {
				s |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("source of predictions %q is none of access-list, static, learned, and off stands alone", name)
	}
	return s, nil
}

// String implements flag.Value.
func (s *Sources) String() string {
	if s == nil || *s&AllSources == 0 {
		return off
	}
	var names []string
	for i := range nSources {
		if *s&(1<<i) != 0 {
			names = append(names, sourceName(i))
		}
	}
	return strings.Join(names, ",")
}

// Set implements flag.Value.
func (s *Sources) Set(text string) error {
	if s == nil {
		return errors.New("sources of predictions: nil receiver")
	}
	parsed, err := ParseSources(text)
	if err == nil {
		*s = parsed
	}
	return err
}

// Flag defines a flag named predict, whose default is AllSources.
func (s *Sources) Flag(fs *flag.FlagSet) {
	*s = AllSources
	fs.Var(s, "predict", "what the parallel executor predicts conflicts, and what to read ahead, from: `sources` out of access-list, static and learned, or off")
}
