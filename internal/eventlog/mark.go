package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
)

// mark remembers, beside an embedded server's streams, how far a stream was
// acknowledged. When nats-server finds a damaged message as it starts, it cuts
// the stream there without a word, as if the rest had never been written; the
// mark is what tells.
//
// It is written after the acknowledgement and not synced: it outlives the
// process, and after a power cut it may be old or unreadable, in which case it
// says less. It never says more than is true.
type mark struct {
	mu   sync.Mutex
	file *os.File // nil: nothing is remembered
}

const markSize = 8 + 8 + 4

// openMark opens the mark of a stream, if the server is embedded.
func (c *Conn) openMark(stream string) (*mark, error) {
	m := new(mark)
	if c.server == nil {
		return m, nil
	}
	path := filepath.Join(c.server.storeDir, stream+".mark")
	var err error
	if m.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil { //nolint:gosec // our own directory
		return nil, fmt.Errorf("open mark of %s: %w", stream, err)
	}
	c.mu.Lock()
	c.marks = append(c.marks, m)
	c.mu.Unlock()
	return m, nil
}

// read returns what was set last, the zero Cursor if nothing can be said.
func (m *mark) read() Cursor {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b [markSize]byte
	if m.file == nil {
		return Cursor{}
	}
	if _, err := m.file.ReadAt(b[:], 0); err != nil {
		return Cursor{}
	}
	if crc32.Checksum(b[:16], castagnoli) != binary.BigEndian.Uint32(b[16:]) {
		return Cursor{}
	}
	return Cursor{Generation: binary.BigEndian.Uint64(b[:]), Counter: binary.BigEndian.Uint64(b[8:])}
}

// set remembers that everything up to at was acknowledged.
func (m *mark) set(at Cursor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, markSize), at.Generation)
	b = binary.BigEndian.AppendUint64(b, at.Counter)
	if _, err := m.file.WriteAt(checksummed(b), 0); err != nil {
		return fmt.Errorf("set mark at %s: %w", at, err)
	}
	return nil
}

func (m *mark) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file != nil {
		_ = m.file.Close() // nothing is buffered
		m.file = nil
	}
}

var errCut = errors.New("acknowledged records after it are gone")

// check reports records that were acknowledged and are not there any more.
func (m *mark) check(stream string, seq uint64, tail Cursor) error {
	if known := m.read(); known.Generation == tail.Generation && known.Counter > tail.Counter {
		return &DamageError{Stream: stream, Sequence: seq + 1, After: tail, Err: fmt.Errorf("%w, up to %s", errCut, known)}
	}
	return nil
}
