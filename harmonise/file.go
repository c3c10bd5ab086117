package harmonise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/schema"
)

// Files collects what a peer's files hold: one for matching, one full load, or all parts of one.
type Files struct {
	*Plan
	raw *raw
}

// Files begins to read a peer's files.
func (p *Plan) Files() *Files { return &Files{p, newRaw()} }

// Side returns what the files held.
func (f *Files) Side(node string) *match.Side { return f.side(node, f.raw) }

// file is what one file has said so far.
type file struct {
	*Files
	tables []*fileTable
	dict   []string // canonical keys, from batch.FirstRef on
	bytes  int      // of dict
}

// fileTable is a table as the file describes it.
type fileTable struct {
	own     *schema.Table // nil: there is none here
	key     []int         // for each part of the key here, its place in the file
	columns []fileColumn
	to      *rawTable // nil: nothing of it is compared
}

// fileColumn is a column of the file that is compared.
type fileColumn struct {
	at, to int // its place in the file, and in rawRow.values
	ref    *schema.Ref
}

// Read reads a file to its end. Nothing counts until it returns nil.
func (f *Files) Read(ctx context.Context, r *batch.Reader) error {
	x := &file{Files: f}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = x.take(item)
		}
		if err != nil {
			return err
		}
	}
}

func (x *file) take(item any) error {
	switch item := item.(type) {
	case *batch.TableItem:
		t, err := x.table(&item.Table)
		x.tables = append(x.tables, t)
		return err
	case *batch.KeysItem:
		return x.keys(item)
	case *batch.SectionItem:
		x.tables = x.tables[:0]
		return x.take(&batch.ResetItem{})
	case *batch.ResetItem:
		x.raw.bytes -= x.bytes
		x.dict, x.bytes = x.dict[:0], 0
	case *batch.Rows:
		return x.rows(item)
	}
	return nil
}

// table finds what a table of the file is here.
func (x *file) table(described *batch.Table) (*fileTable, error) {
	t := &fileTable{own: x.j.Catalogue.Named(described.Name)}
	if t.own == nil || x.j.Tables[t.own.Name] == nil {
		t.own = nil
		return t, nil
	}
	t.key = places(described.Key, t.own.Root.KeyColumns)
	if t.key == nil {
		t.own = nil
		return t, nil
	}
	wanted := x.columns[t.own]
	if wanted == nil {
		return t, nil
	}
	t.to = x.raw.tables[t.own]
	if t.to == nil {
		t.to = &rawTable{columns: map[*schema.Column]int{}, byKey: map[string]int{}}
		x.raw.tables[t.own] = t.to
	}
	for to, c := range wanted {
		at := placeOf(described.Columns, c.Name)
		if c.Ref != nil && c.Ref.Beside {
			if beside := placeOf(described.Columns, c.Name+batch.BesideSuffix); beside >= 0 {
				at = beside
			}
		}
		if c.Key { // it stands in the key
			at = -2 - slices.Index(t.own.KeyColumns, c)
		}
		if at == -1 {
			continue
		}
		t.to.columns[c] = to
		t.columns = append(t.columns, fileColumn{at, to, c.Ref})
	}
	return t, nil
}

func placeOf(columns []batch.Column, name string) int {
	for i := range columns {
		if strings.EqualFold(columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// places returns where the parts of a key stand in the file; nil: its rows are known by something else there.
func places(described []batch.Column, own []*schema.Column) []int {
	if len(described) != len(own) {
		return nil
	}
	if len(own) == 1 { // the columns may be called otherwise: patient_id is a person's
		return []int{0}
	}
	out := make([]int, len(own))
	for i, c := range own {
		if out[i] = placeOf(described, c.Name); out[i] < 0 {
			return nil
		}
	}
	return out
}

// keys adds keys to the dictionary, in the form in which they are compared here.
func (x *file) keys(item *batch.KeysItem) error {
	t := x.tables[item.Table]
	for i := range item.N {
		key := ""
		if t.own != nil {
			parts := make([]*string, len(t.key))
			for p, at := range t.key {
				parts[p] = x.text(item.Parts[at], i)
			}
			key = journal.Canonical(t.own, journal.JoinKey(parts))
		}
		x.bytes += len(key) + 16
		if x.raw.bytes += len(key) + 16; x.raw.bytes > MaxBytes {
			return errTooMuch
		}
		x.dict = append(x.dict, key)
	}
	return nil
}

// text returns a value of a column; of a reference the key that it names; nil for NULL and for what refers to nothing.
func (x *file) text(v batch.Values, i int) *string {
	if v.Refs != nil && v.Refs[i] != batch.RefNull {
		return x.key(v.Refs[i])
	}
	if v.Bytes == nil || v.Bytes[i] == nil {
		return nil
	}
	s := string(v.Bytes[i])
	return &s
}

// key returns an entry of the dictionary; nil if there is none.
func (x *file) key(ref uint32) *string {
	if ref < batch.FirstRef || int(ref-batch.FirstRef) >= len(x.dict) || x.dict[ref-batch.FirstRef] == "" {
		return nil
	}
	key := x.dict[ref-batch.FirstRef] // whose place another may get
	return &key
}

func (x *file) rows(b *batch.Rows) error {
	t := x.tables[b.Table]
	if t.own == nil || t.to == nil {
		return nil
	}
	for i := range b.Keys {
		key := x.key(b.Keys[i])
		if key == nil {
			continue
		}
		row := rawRow{*key, make([]*string, len(x.columns[t.own]))}
		for _, c := range t.columns {
			if c.at < -1 {
				if parts, ok := journal.SplitKey(*key, len(t.own.KeyColumns)); ok {
					row.values[c.to] = parts[-2-c.at]
				}
				continue
			}
			v := x.text(b.Columns[c.at], i)
			if v != nil && c.ref != nil && c.ref.When == nil && (b.Columns[c.at].Refs == nil || b.Columns[c.at].Refs[i] == batch.RefNull) {
				v = nil // a number that means something there alone
			}
			row.values[c.to] = v
		}
		if err := x.raw.add(t.to, row); err != nil {
			return fmt.Errorf("%s: %w", t.own.Name, err)
		}
	}
	return nil
}
