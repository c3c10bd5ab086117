package batch

import (
	"errors"
	"fmt"
)

// state is what reader and writer both know at a point of the stream. Both
// hold every item against it by the same rules, so that a reader takes just
// what a writer would write.
type state struct {
	manyColumns bool // the header needs ManyColumns
	mayRule     bool // it needs Rules
	scopes      bool // it needs Scopes
	mayDigest   bool // it is a digest file
	mayShorten  bool // it needs ShortKeys
	identifiers bool // it needs Identifiers
	sections    bool // it needs Sections

	ruleItems uint64 // how many items are rules: one, or none
	scopeSaid bool

	shorts  int      // keys of which the file has the beginning alone
	sum     ShortSum // of their whole keys, as far as they are known
	checked bool     // their check was read

	tables []Table
	roots  []uint32          // root of each table, by number
	names  map[string]uint32 // number of each root
	seen   map[string]bool   // names of tables

	tablesBefore int // in sections before this one
	dict         []dictKey

	dictBytes  int       // what the dictionary's keys count
	fresh      []dictKey // keys that were checked, and are not in the dictionary yet
	freshBytes int

	columns, columnNames int // of all tables: how many, and the bytes of their names

	items, rows, deletions, records uint64
	keys, cells, valueBytes         uint64 // all told, whatever a reset forgets
	most
}

// newState is that before the first item of a batch with this header.
func newState(h *Header) state {
	return state{manyColumns: h.HasManyColumns(), mayRule: h.hasRules(), scopes: h.HasScopes(), identifiers: h.hasIdentifiers(), mayDigest: h.IsDigest(), sections: h.HasSections(), mayShorten: h.HasShortKeys(), names: map[string]uint32{}, seen: map[string]bool{}}
}

func (s *state) table(n uint32) (*Table, error) {
	if int64(n) >= int64(len(s.tables)) {
		return nil, fmt.Errorf("table %d is not defined yet", n)
	}
	return &s.tables[n], nil
}

func (s *state) addTable(t Table) (uint32, error) {
	if s.tablesBefore+len(s.tables) >= MaxTables {
		return 0, fmt.Errorf("more than %d tables", MaxTables)
	}
	if s.seen[t.Name] {
		return 0, fmt.Errorf("table %q is defined twice", t.Name)
	}
	for _, n := range []string{t.Name, t.Root} {
		if n == "" {
			return 0, errors.New("table without a name or a root")
		}
		if err := checkName("table", n); err != nil {
			return 0, err
		}
	}
	if len(t.Key) == 0 {
		return 0, fmt.Errorf("table %q has no key", t.Name)
	}
	names := 0
	for _, list := range [][]Column{t.Key, t.Columns} {
		if len(list) > MaxColumns {
			return 0, fmt.Errorf("table %q has more than %d columns", t.Name, MaxColumns)
		}
		seen := make(map[string]bool, len(list))
		for _, c := range list {
			names += len(c.Name)
			if err := checkName("column", c.Name); err != nil {
				return 0, err
			}
			if c.Name == "" || seen[c.Name] {
				return 0, fmt.Errorf("table %q has column %q twice, or without a name", t.Name, c.Name)
			}
			if c.Slot > s.maxSlot() {
				return 0, fmt.Errorf("column %q of table %q has slot %d, above %d", c.Name, t.Name, c.Slot, s.maxSlot())
			}
			seen[c.Name] = true
		}
	}
	all := s.columns + len(t.Key) + len(t.Columns)
	if all > MaxAllColumns {
		return 0, excessive("its tables have more than %d columns", MaxAllColumns)
	}
	if names += s.columnNames; names > MaxColumnNames {
		return 0, excessive("the names of its columns have more than %d bytes", MaxColumnNames)
	}
	s.columns, s.columnNames = all, names
	root, ok := s.names[t.Root]
	if !ok {
		root = uint32(len(s.names))
		s.names[t.Root] = root
	}
	s.seen[t.Name] = true
	s.tables = append(s.tables, t)
	s.roots = append(s.roots, root)
	return uint32(len(s.tables) - 1), nil
}

// checkBlock checks the size of a block of n rows and so many columns.
func checkBlock(n, columns int) error {
	if n < 1 || n > MaxBlockRows {
		return fmt.Errorf("block has %d rows, not 1 to %d", n, MaxBlockRows)
	}
	if n*columns > MaxBlockCells {
		return fmt.Errorf("block of %d rows and %d columns is larger than %d values: make it shorter", n, columns, MaxBlockCells)
	}
	return nil
}

// one is the number of columns of a block that has none of the table's.
func one(*Table) int { return 1 }

// volume sums up the bytes of the values of a block.
type volume struct{ sum, longest int }

func (v *volume) add(bytes int) {
	v.sum += bytes
	v.longest = max(v.longest, bytes)
}

// count adds a block's values to what the batch has had so far, once they are
// within the limits. more is what else of it counts like a value.
func (s *state) count(v *volume, cells, more int) error {
	if err := v.check(); err != nil {
		return err
	}
	if s.dictBytes+v.sum+cellCost*cells > MaxHeld {
		return excessive("a block and the keys before it have more than %d bytes", MaxHeld)
	}
	s.mostHeld = max(s.mostHeld, s.dictBytes+v.sum+cellCost*cells)
	s.cells += uint64(cells + more)
	s.valueBytes += uint64(v.sum)
	return nil
}

func (v *volume) check() error {
	if v.longest > MaxValue {
		return fmt.Errorf("value of %d bytes is longer than %d", v.longest, MaxValue)
	}
	if v.sum-v.longest > MaxBlock {
		return fmt.Errorf("values of the block have %d bytes without the longest, more than %d: make it shorter", v.sum-v.longest, MaxBlock)
	}
	return nil
}

// check checks the values of one column. Row i may refer to entries of
// the dictionary below limit+i*step.
func (v *Values) check(c *Column, n, limit, step int, vol *volume) error {
	if v.Bytes != nil && len(v.Bytes) != n || v.Refs != nil && len(v.Refs) != n {
		return fmt.Errorf("column %q has %d values and %d references for %d rows", c.Name, len(v.Bytes), len(v.Refs), n)
	}
	if v.Refs != nil && !c.Ref {
		return fmt.Errorf("column %q holds references, and is not marked so", c.Name)
	}
	for i, r := range v.Refs {
		if int64(r) >= int64(limit+i*step)+int64(FirstRef) {
			return fmt.Errorf("column %q refers to key %d, which is not in the dictionary", c.Name, r)
		}
	}
	for i, b := range v.Bytes {
		if v.Refs == nil || v.Refs[i] == RefNull {
			vol.add(len(b))
		}
	}
	return nil
}

// checkKeys checks n keys of a table, which may refer to each other backwards.
func (s *state) checkKeys(table uint32, parts []Values, n int) error {
	t, err := s.table(table)
	if err != nil {
		return err
	}
	if len(parts) != len(t.Key) {
		return fmt.Errorf("keys of table %q have %d parts, not %d", t.Name, len(parts), len(t.Key))
	}
	if err := checkBlock(n, len(parts)); err != nil {
		return err
	}
	if len(s.dict)+n > MaxDict {
		return fmt.Errorf("dictionary has more than %d keys: reset it first", MaxDict)
	}
	var vol volume
	for i := range parts {
		if parts[i].Bytes == nil && parts[i].Refs == nil {
			return fmt.Errorf("keys of table %q lack part %q", t.Name, t.Key[i].Name)
		}
		if err := parts[i].check(&t.Key[i], n, len(s.dict), 1, &vol); err != nil {
			return fmt.Errorf("key of table %q: %w", t.Name, err)
		}
	}
	if err := s.count(&vol, n*len(parts), 0); err != nil {
		return err
	}
	return s.measureKeys(table, parts, n)
}

// addKeys takes the keys that were checked last into the dictionary.
func (s *state) addKeys() (first uint32) {
	first = uint32(len(s.dict)) + FirstRef
	s.dict = append(s.dict, s.fresh...)
	s.dictBytes += s.freshBytes
	s.keys += uint64(len(s.fresh))
	s.mostKeys, s.mostDictBytes = max(s.mostKeys, len(s.dict)), max(s.mostDictBytes, s.dictBytes)
	for _, k := range s.fresh {
		s.longestKey, s.deepestKey = max(s.longestKey, int(k.size)), max(s.deepestKey, int(k.depth))
	}
	return first
}

func (s *state) resetDict() { s.dict, s.dictBytes = s.dict[:0], 0 }

// checkRowKeys checks that the keys of rows are keys of that table's root.
func (s *state) checkRowKeys(t *Table, table uint32, keys []uint32) error {
	for _, k := range keys {
		if k < FirstRef || int64(k-FirstRef) >= int64(len(s.dict)) {
			return fmt.Errorf("row of table %q has key %d, which is not in the dictionary", t.Name, k)
		}
		if uint32(s.dict[k-FirstRef].root) != s.roots[table] {
			return fmt.Errorf("row of table %q has key %d, which is not a key of %q", t.Name, k, t.Root)
		}
	}
	return nil
}

func (s *state) checkRows(r *Rows) error {
	t, err := s.table(r.Table)
	if err != nil {
		return err
	}
	n := len(r.Keys)
	if len(r.Columns) != len(t.Columns) {
		return fmt.Errorf("rows of table %q have %d columns, not %d", t.Name, len(r.Columns), len(t.Columns))
	}
	if err := checkBlock(n, len(r.Columns)); err != nil {
		return err
	}
	if err := s.checkRowKeys(t, r.Table, r.Keys); err != nil {
		return err
	}
	if r.Acks != nil && len(r.Acks) != n || r.Groups != nil && len(r.Groups) != n {
		return fmt.Errorf("rows of table %q: %d acknowledgements and %d groups for %d rows", t.Name, len(r.Acks), len(r.Groups), n)
	}
	if err := s.checkVersions(r); err != nil {
		return fmt.Errorf("rows of table %q: %w", t.Name, err)
	}
	var vol volume
	for i := range r.Columns {
		if err := r.Columns[i].check(&t.Columns[i], n, len(s.dict), 0, &vol); err != nil {
			return fmt.Errorf("rows of table %q: %w", t.Name, err)
		}
	}
	return s.count(&vol, n*len(r.Columns), len(r.Masks))
}

// checkStamps checks n times and authors.
func checkStamps(n int, times []int64, authors []string) error {
	if len(times) != n || len(authors) != n {
		return fmt.Errorf("%d times and %d authors for %d versions", len(times), len(authors), n)
	}
	for _, t := range times {
		if err := checkTime(t); err != nil {
			return err
		}
	}
	for i, a := range authors {
		if i > 0 && a == authors[i-1] {
			continue
		}
		if err := checkName("author", a); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) checkDeletions(d *Deletions) error {
	t, err := s.table(d.Table)
	if err != nil {
		return err
	}
	n := len(d.Keys)
	if err := checkBlock(n, 1); err != nil {
		return err
	}
	if err := s.checkRowKeys(t, d.Table, d.Keys); err != nil {
		return err
	}
	if err := checkStamps(n, d.Times, d.Authors); err != nil {
		return fmt.Errorf("deletions of table %q: %w", t.Name, err)
	}
	if len(d.Epochs) != n {
		return fmt.Errorf("deletions of table %q: %d epochs for %d rows", t.Name, len(d.Epochs), n)
	}
	if err := s.checkOwners(d.Owners, n); err != nil {
		return fmt.Errorf("deletions of table %q: %w", t.Name, err)
	}
	return nil
}

func (s *state) checkRecords(r *Records) error {
	t, err := s.table(r.Table)
	if err != nil {
		return err
	}
	n := len(r.Keys)
	if err := checkBlock(n, 1); err != nil {
		return err
	}
	if err := s.checkRowKeys(t, r.Table, r.Keys); err != nil {
		return err
	}
	if len(r.Columns) != n || len(r.Values) != n || r.Notes != nil && len(r.Notes) != n || len(r.At) != n || len(r.Epochs) != n {
		return fmt.Errorf("records of table %q: columns, values, notes, times or epochs are not %d", t.Name, n)
	}
	var vol volume
	for i := range r.Columns {
		if err := checkName("column", r.Columns[i]); err != nil {
			return err
		}
		vol.add(len(r.Values[i]))
		if err := checkTime(r.At[i]); err != nil {
			return err
		}
	}
	for _, s := range r.Notes {
		if len(s) > MaxNote {
			return fmt.Errorf("note of %d bytes is longer than %d", len(s), MaxNote)
		}
		vol.add(len(s))
	}
	if err := checkStamps(n, r.LostTimes, r.LostAuthors); err != nil {
		return fmt.Errorf("records of table %q: %w", t.Name, err)
	}
	if err := checkStamps(n, r.WonTimes, r.WonAuthors); err != nil {
		return fmt.Errorf("records of table %q: %w", t.Name, err)
	}
	if err := s.checkOwners(r.Owners, n); err != nil {
		return fmt.Errorf("records of table %q: %w", t.Name, err)
	}
	return s.count(&vol, n, 0)
}
