package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/omsync/omsync/batch"
)

// itemPrinter prints the rows of a batch. A key is its one part, or an array of its parts; a value is text, null, {"hex":
// …} where it is not UTF-8, or {"row": key} where it refers to a row.
type itemPrinter struct {
	w      io.Writer
	tables map[uint32]batch.Table
	dict   []any // keys, from batch.FirstRef on
}

type rowRef struct {
	Row any `json:"row"`
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
	Values   map[string]any `json:"values"`
	Versions []rowVersion   `json:"versions"`
}

type deletionLine struct {
	Table   string     `json:"table"`
	Key     any        `json:"key"`
	Deleted rowVersion `json:"deleted"`
}

type conflictLine struct {
	Table    string       `json:"table"`
	Key      any          `json:"key"`
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
			parts := make([]any, len(it.Parts))
			for k, v := range it.Parts {
				if parts[k] = p.value(v, i); v.Refs != nil && v.Refs[i] >= batch.FirstRef {
					parts[k] = p.key(v.Refs[i])
				}
			}
			if len(parts) == 1 {
				p.dict = append(p.dict, parts[0])
			} else {
				p.dict = append(p.dict, parts)
			}
		}
	case *batch.ResetItem:
		p.dict = p.dict[:0]
	case *batch.Rows:
		return p.rows(it)
	case *batch.Deletions:
		t := p.tables[it.Table]
		for i := range it.Keys {
			v := rowVersion{Row: true, Time: timeText(it.Times[i]), Author: it.Authors[i], Epoch: it.Epochs[i]}
			if err := printJSON(p.w, deletionLine{t.Name, p.key(it.Keys[i]), v}); err != nil {
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
		line := rowLine{Table: t.Name, Key: p.key(it.Keys[i]), Values: map[string]any{}}
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
		if err := printJSON(p.w, conflictLine{t.Name, p.key(it.Keys[i]), c}); err != nil {
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
			return rowRef{p.key(r)}
		case r == batch.RefNowhere:
			return rowRef{nil}
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

func text(b []byte) any {
	switch {
	case b == nil:
		return nil
	case utf8.Valid(b):
		return string(b)
	}
	return hexValue{hex.EncodeToString(b)}
}
