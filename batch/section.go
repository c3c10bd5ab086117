package batch

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Sections is the feature of files that have sections: runs of items which name
// tables and keys of their own, in zstd frames of their own, so that their
// compressed bytes stand for the same in any file.
const Sections = "sections"

// HasSections reports whether the batch may use [Sections].
func (h *Header) HasSections() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == Sections })
}

// SectionItem begins a section: it empties the dictionary, and forgets the
// tables. The next table has the number 0, the next key the index FirstRef.
type SectionItem struct{}

// A Section is made once, and put into any number of batches. Nothing changes it.
type Section struct {
	frames   []byte // compressed
	unpacked uint64
	tables   int
	made     state // what its items count

	dictionary, manyColumns bool // its batches' headers need these
}

// Rows returns how many rows it has.
func (s *Section) Rows() int { return int(s.made.rows) }

// Bytes returns how long it is in a file, before encryption.
func (s *Section) Bytes() int { return len(s.frames) }

// Tables returns how many tables it describes: each counts against [MaxTables] of a
// file, and its columns against [MaxAllColumns].
func (s *Section) Tables() (tables, columns int) { return s.tables, s.made.columns }

// SectionWriter makes a section of tables, keys and rows, which it checks as a
// [Writer] does. It keeps what it is given: see there. One that is dropped holds no
// resources.
type SectionWriter struct {
	stream
	frames bytes.Buffer

	dictionary bool
}

// NewSection starts a section for batches of which the headers have the same
// features as h, [Sections] among them.
func (c *Compressors) NewSection(h *Header) (*SectionWriter, error) {
	w := &SectionWriter{dictionary: h.HasZstdDictionary()}
	if w.begin(c, h, &w.frames); !w.sections {
		return nil, errNoSections
	}
	w.stream.frames.plain = false
	return w, w.beginSection()
}

var errNoSections = errors.New("the header does not say that the batch may have sections")

// beginSection begins a section with what follows.
func (w *stream) beginSection() error {
	w.items++
	return w.stick(w.ahead.add(aheadSmall, func() error {
		w.pack.list(1, itemSection)
		return w.packed()
	}))
}

// Close ends the section and returns it.
func (w *SectionWriter) Close() (*Section, error) {
	if w.err != nil {
		return nil, w.err
	}
	if err := w.stick(w.ahead.wait()); err != nil {
		return nil, err
	}
	if err := w.endFrame(); err != nil {
		return nil, fmt.Errorf("compress a section: %w", err)
	}
	w.err = errors.New("section is closed")
	made := w.state
	made.tables, made.roots, made.names, made.seen, made.dict, made.fresh = nil, nil, nil, nil, nil, nil
	return &Section{bytes.Clone(w.frames.Bytes()), w.unpacked.n, len(w.tables), made, w.dictionary, w.manyColumns}, nil
}

// Section puts a section into the batch. Items that follow begin another: they find
// neither tables nor keys.
func (w *Writer) Section(s *Section) error {
	if w.err != nil {
		return w.err
	}
	if err := w.addSection(s); err != nil {
		return err
	}
	w.between = true
	return w.stick(w.ahead.add(aheadBlock, func() error {
		if err := w.endFrame(); err != nil {
			return err
		}
		w.unpacked.n += s.unpacked
		_, err := w.cipher.Write(s.frames)
		return err
	}))
}

// addSection takes a section's counts into those of the batch, if there is room for
// them.
func (w *Writer) addSection(s *Section) error {
	d := &s.made
	switch {
	case !w.sections:
		return errNoSections
	case s.dictionary != w.pack.tight || s.manyColumns != w.manyColumns:
		return errors.New("the section was made for batches with other features")
	case w.tablesBefore+len(w.tables)+s.tables > MaxTables:
		return fmt.Errorf("more than %d tables", MaxTables)
	case w.columns+d.columns > MaxAllColumns:
		return excessive("its tables have more than %d columns", MaxAllColumns)
	case w.columnNames+d.columnNames > MaxColumnNames:
		return excessive("the names of its columns have more than %d bytes", MaxColumnNames)
	}
	w.forgetTables()
	w.tablesBefore, w.columns, w.columnNames = w.tablesBefore+s.tables, w.columns+d.columns, w.columnNames+d.columnNames
	w.items, w.rows, w.keys = w.items+d.items, w.rows+d.rows, w.keys+d.keys
	w.cells, w.valueBytes = w.cells+d.cells, w.valueBytes+d.valueBytes
	return nil
}

// forgetTables begins a section.
func (s *state) forgetTables() {
	s.resetDict()
	s.tablesBefore += len(s.tables)
	s.tables, s.roots = s.tables[:0], s.roots[:0]
	clear(s.names)
	clear(s.seen)
}

func (r *Reader) readSection() *SectionItem {
	if !r.sections {
		r.accept(errNoSections)
		return nil
	}
	r.forgetTables()
	return &SectionItem{}
}
