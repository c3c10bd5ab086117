package export

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export/share"
	"github.com/omsync/omsync/merge"
)

// Sections are what exports of one node made for several peers: see package share. Exports at the same time may use them; each section is made once.
// They are held in memory, so many bytes of them; what was not used for the longest time goes first.
type Sections struct {
	most   int64
	always bool

	compressors batch.Compressors

	mu     sync.Mutex
	bytes  int64
	uses   uint64
	slots  map[sectionKey]*slot
	window *window // that was read last
}

// SectionBytes is how many bytes of sections a program holds.
const SectionBytes = 64 << 20

// NewSections returns no sections yet, to be held up to so many bytes.
func NewSections(bytes int64) *Sections {
	return &Sections{most: bytes, slots: map[sectionKey]*slot{}}
}

// Always has files have sections wherever they can, however little they hold. For tests: it is no gain.
func (s *Sections) Always() *Sections {
	s.always = true
	return s
}

// pays reports whether sections for so many children, with so many rows, are a gain.
func (s *Sections) pays(children, rows int) bool {
	return s.always && rows > 0 || children >= fewChildren && rows >= fewShared
}

// limits are those of the rows of a section.
func (s *Sections) limits() share.Limits {
	if s.always {
		return share.Limits{Least: 1, Most: mostSection}
	}
	return share.Limits{Least: leastSection, Most: mostSection}
}

// signature is a hash of all that the bytes of a section follow from, but for the rows.
type signature [sha256.Size]byte

type sectionKey struct {
	as signature
	share.Interval
}

// slot is where a section is, or is being made.
type slot struct {
	turn chan struct{} // full while somebody looks whether the section is still right, or makes it
	made *section
	used uint64
}

// section is rows as they go to any of several peers.
type section struct {
	*batch.Section // nil: they go to each peer by themselves, as not all of them go into a file
	at             merge.Position
	sum            [sha256.Size]byte
	refers         []share.Row     // see share.Window.Arrange
	names          map[uint16]bool // tables of which it has keys
}

const (
	referCost = 16
	slotCost  = 512
)

func (s *section) size() int64 {
	n := slotCost + referCost*len(s.refers)
	if s.Section != nil {
		n += s.Bytes()
	}
	return int64(n)
}

// get returns the section of a key, which is made if there is none or it is not right any more.
func (s *Sections) get(ctx context.Context, key sectionKey, right func(*section) bool, create func() (*section, error)) (*section, error) {
	s.mu.Lock()
	at := s.slots[key]
	if at == nil {
		at = &slot{turn: make(chan struct{}, 1)}
		s.slots[key] = at
	}
	s.mu.Unlock()
	select {
	case at.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-at.turn }()
	if at.made != nil && right(at.made) {
		s.keep(key, at, at.made)
		return at.made, nil
	}
	made, err := create()
	if err != nil {
		return nil, err
	}
	s.keep(key, at, made)
	return made, nil
}

// keep has a slot hold a section, which was used now, and forgets others for it. The caller has the slot's turn.
func (s *Sections) keep(key sectionKey, at *slot, made *section) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots[key] != at { // it was forgotten meanwhile
		at.made = made
		return
	}
	if at.made != nil {
		s.bytes -= at.made.size()
	}
	s.bytes += made.size()
	s.uses++
	at.made, at.used = made, s.uses
	for s.bytes > s.most {
		var oldest sectionKey
		for k, o := range s.slots {
			if held := s.slots[oldest]; o.used > 0 && (held == nil || o.used < held.used) {
				oldest = k
			}
		}
		s.bytes -= s.slots[oldest].made.size()
		delete(s.slots, oldest)
	}
}

// Bytes returns about how many bytes are held.
func (s *Sections) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// windowOf returns the window that was read last, if it is of that position, goes back to that epoch (one of too many rows: just so far), and is of that signature; nil: of any.
func (s *Sections) windowOf(as *signature, at merge.Position, base uint64) *window {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.window; w != nil && (as == nil || w.as == *as) && w.at == at && (w.from == base || w.from < base && w.Window != nil) {
		return w
	}
	return nil
}

func (s *Sections) setWindow(w *window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = w
}
