package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/omsync/omsync/batch"
)

// itemPrinter prints the rows of a batch. A key is its one part, or an array of its parts; a value is text, null, {"hex":
// …} where it is not UTF-8, or {"row": key} where it refers to a row. Where a row has another key at this node, that is beside it as here.
type itemPrinter struct {
	w      io.Writer
	tables map[uint32]batch.Table
	own    map[string]map[string]string // by table and the sender's key: the key here, where that is another
	dict   []any                        // keys, from batch.FirstRef on
	here   []any                        // parallel to dict: the key here; nil: the same
}

type rowRef struct {
	Row  any `json:"row"`
	Here any `json:"here,omitempty"`
}

type hexValue struct {
	Hex string `json:"hex"`
}

type rowVersion struct {
	Columns []string `json:"columns,omitempty"`
	Row     bool     `json:"row,omitempty"` // of the row's existence
	Time    string   `json:"time"`
	Author  string   `json:"author"`
	Epoch   uint64   `json:"epoch"`
}

type rowLine struct {
	Table    string         `json:"table"`
	Key      any            `json:"key"`
	Here     any            `json:"here,omitempty"`
	Values   map[string]any `json:"values"`
	Versions []rowVersion   `json:"versions"`
}

type deletionLine struct {
	Table   string     `json:"table"`
	Key     any        `json:"key"`
	Here    any        `json:"here,omitempty"`
	Deleted rowVersion `json:"deleted"`
}

type conflictLine struct {
	Table    string       `json:"table"`
	Key      any          `json:"key"`
	Here     any          `json:"here,omitempty"`
	Conflict conflictText `json:"conflict"`
}

type conflictText struct {
	Column string     `json:"column,omitempty"`
	Value  any        `json:"value"`
	Note   string     `json:"note,omitempty"`
	Lost   rowVersion `json:"lost"`
	Won    rowVersion `json:"won"`
	At     string     `json:"at"`
}

// ruleLine is how a table may go, by the word of the sender.
type ruleLine struct {
	Table     string          `json:"rule"`
	Direction string          `json:"direction"`
	Staff     bool            `json:"staff,omitempty"`
	NotUp     []string        `json:"not_up,omitempty"`
	NotDown   []string        `json:"not_down,omitempty"`
	Rows      []batch.RowRule `json:"rows_that_stay,omitempty"`
}

func (p *itemPrinter) print(item any) error {
	switch it := item.(type) {
	case *batch.TableItem:
		p.tables[it.Number] = it.Table
	case *batch.KeysItem:
		for i := range it.N {
			p.addKey(p.tables[it.Table].Name, it.Parts, i)
		}
	case *batch.ShortKeysItem: // the receiver alone knows how they go on
		for _, prefix := range it.Prefixes {
			p.addKey(p.tables[it.Table].Name, []batch.Values{{Bytes: [][]byte{append(prefix, "…"...)}}}, 0)
		}
	case *batch.ShortCheckItem:
	case *batch.ResetItem, *batch.SectionItem: // numbers of tables stand for others once these are described
		p.dict, p.here = p.dict[:0], p.here[:0]
	case *batch.Rows:
		return p.rows(it)
	case *batch.Deletions:
		t := p.tables[it.Table]
		for i := range it.Keys {
			v := rowVersion{Row: true, Time: timeText(it.Times[i]), Author: it.Authors[i], Epoch: it.Epochs[i]}
			if err := printJSON(p.w, deletionLine{t.Name, p.key(it.Keys[i]), p.keyHere(it.Keys[i]), v}); err != nil {
				return err
			}
		}
	case *batch.Records:
		return p.records(it)
	case *batch.RulesItem:
		for _, t := range it.Tables {
			if err := printJSON(p.w, ruleLine(t)); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("item of an unknown kind, %T", item)
	}
	return nil
}

func (p *itemPrinter) rows(it *batch.Rows) error {
	t := p.tables[it.Table]
	group := 0
	for i := range it.Keys {
		line := rowLine{Table: t.Name, Key: p.key(it.Keys[i]), Here: p.keyHere(it.Keys[i]), Values: map[string]any{}}
		for k, v := range it.Columns {
			if v.Bytes != nil || v.Refs != nil {
				line.Values[t.Columns[k].Name] = p.value(v, i)
			}
		}
		groups := 1
		if it.Groups != nil {
			groups = it.Groups[i]
		}
		for ; groups > 0; groups-- {
			v := rowVersion{Row: it.Masks[group]&1 != 0, Time: timeText(it.Times[group]), Author: it.Authors[group], Epoch: it.Epochs[group]}
			for _, c := range t.Columns {
				if c.Slot != 0 && it.Masks[group]>>c.Slot&1 != 0 {
					v.Columns = append(v.Columns, c.Name)
				}
			}
			line.Versions = append(line.Versions, v)
			group++
		}
		if err := printJSON(p.w, line); err != nil {
			return err
		}
	}
	return nil
}

func (p *itemPrinter) records(it *batch.Records) error {
	t := p.tables[it.Table]
	for i := range it.Keys {
		c := conflictText{Column: it.Columns[i], Value: text(it.Values[i]), At: timeText(it.At[i]),
			Lost: rowVersion{Time: timeText(it.LostTimes[i]), Author: it.LostAuthors[i], Epoch: it.Epochs[i]},
			Won:  rowVersion{Time: timeText(it.WonTimes[i]), Author: it.WonAuthors[i], Epoch: it.Epochs[i]}}
		if it.Notes != nil {
			c.Note = it.Notes[i]
		}
		if err := printJSON(p.w, conflictLine{t.Name, p.key(it.Keys[i]), p.keyHere(it.Keys[i]), c}); err != nil {
			return err
		}
	}
	return nil
}

// value is the i'th value of a column.
func (p *itemPrinter) value(v batch.Values, i int) any {
	if v.Refs != nil {
		switch r := v.Refs[i]; {
		case r >= batch.FirstRef:
			return rowRef{p.key(r), p.keyHere(r)}
		case r == batch.RefNowhere:
			return rowRef{}
		}
	}
	if v.Bytes == nil {
		return nil
	}
	return text(v.Bytes[i])
}

// key is an entry of the dictionary. The reader has checked that it is there.
func (p *itemPrinter) key(index uint32) any {
	if i := int(index) - int(batch.FirstRef); i >= 0 && i < len(p.dict) {
		return p.dict[i]
	}
	return nil
}

// addKey takes in the i'th of some keys of a table.
func (p *itemPrinter) addKey(table string, columns []batch.Values, i int) {
	parts, here := make([]any, len(columns)), make([]any, len(columns))
	differs := false
	for k, v := range columns {
		if parts[k] = p.value(v, i); v.Refs != nil && v.Refs[i] >= batch.FirstRef {
			parts[k] = p.key(v.Refs[i])
			here[k] = p.keyHere(v.Refs[i])
		}
		if differs = differs || here[k] != nil; here[k] == nil {
			here[k] = parts[k]
		}
	}
	if len(parts) > 1 {
		p.dict = append(p.dict, parts)
		if p.here = append(p.here, nil); differs {
			p.here[len(p.here)-1] = here
		}
		return
	}
	p.dict, p.here = append(p.dict, parts[0]), append(p.here, nil)
	last := &p.here[len(p.here)-1]
	if differs {
		*last = here[0]
	} else if s, ok := parts[0].(string); ok {
		for _, key := range []string{s, strings.ToLower(s)} { // uuids are kept in small letters
			if own, ok := p.own[table][key]; ok {
				*last = own
			}
		}
	}
}

// keyHere is what the entry's row is called here; nil if that is the same.
func (p *itemPrinter) keyHere(index uint32) any {
	if i := int(index) - int(batch.FirstRef); i >= 0 && i < len(p.here) {
		return p.here[i]
	}
	return nil
}

func text(b []byte) any {
	switch {
	case b == nil:
		return nil
	case utf8.Valid(b):
		return string(b)
	}
	return hexValue{hex.EncodeToString(b)}
}
